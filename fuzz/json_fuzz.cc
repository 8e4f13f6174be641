// SPDX-License-Identifier: Apache-2.0
// Any bytes: refused, or made canonical once and for all, with an index that agrees with the tree.
#include "base/check.h"
#include "input.h"
#include "object/document.h"
#include "object/tree.h"

using namespace tetrarch::object;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = tetrarch::fuzz::Input(data, size).rest();
  const auto once = Document::parse(input);
  if (!once.ok()) {
    return 0;
  }
  const auto twice = Document::parse((*once)->bytes());
  CHECK(twice.ok() && (*twice)->bytes() == (*once)->bytes());
  CHECK(to_json(to_tree((*once)->root())) == (*once)->bytes());
  return 0;
}
