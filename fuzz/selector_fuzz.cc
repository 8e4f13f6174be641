// SPDX-License-Identifier: Apache-2.0
// Any text: refused, or a selector that prints and reads back the same.
#include "base/check.h"
#include "input.h"
#include "object/selector.h"

using namespace tetrarch::object;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = tetrarch::fuzz::Input(data, size).rest();
  if (const auto labels = LabelSelector::parse(input); labels.ok()) {
    const auto again = LabelSelector::parse(labels->text());
    CHECK(again.ok() && *again == *labels);
  }
  if (const auto fields = FieldSelector::parse(input); fields.ok()) {
    CHECK(FieldSelector::parse(fields->text()).ok());
  }
  return 0;
}
