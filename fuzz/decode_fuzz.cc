// SPDX-License-Identifier: Apache-2.0
// Any bytes as a body of any kind: refused, or canonical once and for all, and validated without a
// fall.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "schema/decode.h"

using namespace tetrarch;

namespace {

const schema::Catalog& catalog() {
  static const auto loaded = schema::Catalog::load_builtin().value();
  return *loaded;
}

}  // namespace

/// The first byte chooses the kind.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const auto& kinds = catalog().kinds();
  const auto& kind = *kinds[data[0] % kinds.size()];
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto once = schema::decode(kind, body, schema::Unknown::warn);
  if (!once.ok()) {
    return 0;
  }
  const auto twice = schema::decode(kind, once->document->bytes(), schema::Unknown::refuse);
  CHECK(twice.ok() && twice->document->bytes() == once->document->bytes());
  const auto root = once->document->root();
  static_cast<void>(schema::validate(kind, root, {}));
  CHECK(Document::parse(once->document->bytes()).ok());
  return 0;
}
