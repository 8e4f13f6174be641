// SPDX-License-Identifier: Apache-2.0
#include "object/stored.h"

#include <array>
#include <charconv>
#include <functional>

namespace tetrarch {

std::size_t KeyHash::operator()(const Key& key) const noexcept {
  const std::hash<std::string> hash;
  std::size_t out = hash(key.name);
  out = out * 1099511628211ULL ^ hash(key.ns);
  return out * 1099511628211ULL ^ hash(key.resource);
}

Spliced splice_revision(const Document& document, Revision revision, std::string& middle) {
  const std::string_view bytes = document.bytes();
  const auto at = document.metadata_offset();
  if (at == 0) {
    return {bytes, ""};
  }
  std::array<char, 20> digits{};
  const auto [end, error] = std::to_chars(digits.begin(), digits.end(), revision.number);
  middle += R"("resourceVersion":")";
  middle.append(digits.begin(), end);
  middle += bytes[at] == '}' ? "\"" : "\",";
  return {bytes.substr(0, at), bytes.substr(at)};
}

void append_spliced(std::string& out, const Document& document, Revision revision) {
  std::string middle;
  const auto around = splice_revision(document, revision, middle);
  out += around.head;
  out += middle;
  out += around.tail;
}

}  // namespace tetrarch
