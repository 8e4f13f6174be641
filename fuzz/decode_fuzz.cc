// SPDX-License-Identifier: Apache-2.0
// Any bytes as a body of any kind: refused, or canonical once and for all, and validated without a
// fall.
#include "base/check.h"
#include "catalog.h"
#include "input.h"
#include "schema/decode.h"

using namespace tetrarch;

/// The first byte chooses the kind.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const auto& kinds = fuzz::catalog().kinds();
  const auto& kind = *kinds[input.byte() % kinds.size()];
  const auto body = input.rest();
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
