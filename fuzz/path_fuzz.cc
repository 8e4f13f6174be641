// SPDX-License-Identifier: Apache-2.0
// Any text as a path into an object, dotted or a JSON pointer: refused, or found where it was set.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "object/path.h"

using namespace tetrarch::object;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view path(reinterpret_cast<const char*>(data), size);
  if (const auto steps = parse_pointer(path); steps.ok()) {
    std::string again;
    for (const std::string& step : *steps) {
      again += "/" + pointer_step(step);
    }
    CHECK(*parse_pointer(again) == *steps);
  }
  Tree tree = TreeObject();
  set(tree, path, 1);
  const Tree* found = find(static_cast<const Tree&>(tree), path);
  CHECK(found != nullptr && *found == Tree(1));
  CHECK(erase(tree, path) && find(static_cast<const Tree&>(tree), path) == nullptr);
  return 0;
}
