// SPDX-License-Identifier: Apache-2.0
#include "object/stored.h"

#include <functional>

namespace tetrarch {

std::size_t KeyHash::operator()(const Key& key) const noexcept {
  const std::hash<std::string> hash;
  std::size_t out = hash(key.name);
  out = out * 1099511628211ULL ^ hash(key.ns);
  return out * 1099511628211ULL ^ hash(key.resource);
}

Spliced splice_revision(const Document& document, Revision revision) {
  const std::string_view bytes = document.bytes();
  const auto at = document.metadata_offset();
  if (at == 0) {
    return {bytes, "", ""};
  }
  const bool is_empty = bytes[at] == '}';
  return {bytes.substr(0, at),
          "\"resourceVersion\":\"" + std::to_string(revision.number) + (is_empty ? "\"" : "\","),
          bytes.substr(at)};
}

void append_spliced(std::string& out, const Document& document, Revision revision) {
  const auto pieces = splice_revision(document, revision);
  out += pieces.head;
  out += pieces.middle;
  out += pieces.tail;
}

}  // namespace tetrarch
