// SPDX-License-Identifier: Apache-2.0
#include "schema/step.h"

#include <fmt/format.h>

namespace tetrarch::schema {

std::string path_of(const Step& step) {
  std::string path = step.parent == nullptr ? "" : path_of(*step.parent);
  if (step.index >= 0) {
    return fmt::format("{}[{}]", path, step.index);
  }
  if (!path.empty() && !step.name.empty()) {
    path += '.';
  }
  return path.append(step.name);
}

}  // namespace tetrarch::schema
