// SPDX-License-Identifier: Apache-2.0
// Any bytes: refused, or made canonical once and for all, with an index that agrees with the tree.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "object/document.h"
#include "object/tree.h"

using namespace tetrarch::object;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto once = Document::parse(input);
  if (!once.ok()) {
    return 0;
  }
  const auto twice = Document::parse((*once)->bytes());
  CHECK(twice.ok() && (*twice)->bytes() == (*once)->bytes());
  CHECK(to_json(to_tree((*once)->root())) == (*once)->bytes());
  return 0;
}
