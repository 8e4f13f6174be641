// SPDX-License-Identifier: Apache-2.0
// Any text as a path into an object, dotted or a JSON pointer: refused, or found where it was set.
#include <string>

#include "base/check.h"
#include "input.h"
#include "object/path.h"

using namespace tetrarch::object;

namespace {

/// Code writes dotted paths, users do not: a step without a name is no path.
bool is_dotted_path(std::string_view path) {
  return !path.empty() && path.front() != '.' && path.back() != '.' &&
         path.find("..") == std::string_view::npos;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto path = tetrarch::fuzz::Input(data, size).rest();
  if (const auto steps = parse_pointer(path); steps.ok()) {
    std::string again;
    for (const std::string& step : *steps) {
      again += "/" + pointer_step(step);
    }
    CHECK(*parse_pointer(again) == *steps);
  }
  if (!is_dotted_path(path)) {
    return 0;
  }
  Tree tree = TreeObject();
  set(tree, path, 1);
  const Tree* found = find(static_cast<const Tree&>(tree), path);
  CHECK(found != nullptr && *found == Tree(1));
  CHECK(erase(tree, path) && find(static_cast<const Tree&>(tree), path) == nullptr);
  return 0;
}
