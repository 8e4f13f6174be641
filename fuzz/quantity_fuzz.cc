// SPDX-License-Identifier: Apache-2.0
// Any text: refused, or a quantity whose canonical text is the same quantity.
#include "base/check.h"
#include "input.h"
#include "object/quantity.h"

using namespace tetrarch::object;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = tetrarch::fuzz::Input(data, size).rest();
  const auto once = Quantity::parse(input);
  if (!once.ok()) {
    return 0;
  }
  const auto twice = Quantity::parse(once->text());
  CHECK(twice.ok() && *twice == *once && twice->text() == once->text());
  CHECK((*once - *once).is_zero());
  return 0;
}
