// SPDX-License-Identifier: Apache-2.0
#include "schema/step.h"

namespace tetrarch::schema {

namespace {

void append_path(std::string& out, const Step& step) {
  if (step.parent != nullptr) {
    append_path(out, *step.parent);
  }
  if (step.index >= 0) {
    out += '[';
    out += std::to_string(step.index);
    out += ']';
    return;
  }
  if (!out.empty() && !step.name.empty()) {
    out += '.';
  }
  out += step.name;
}

}  // namespace

std::string path_of(const Step& step) {
  std::string path;
  append_path(path, step);
  return path;
}

}  // namespace tetrarch::schema
