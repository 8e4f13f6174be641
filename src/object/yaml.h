// SPDX-License-Identifier: Apache-2.0
// YAML from clients, made JSON: the one place, so that all that follows knows only JSON.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tetrarch::object {

/// The first document as JSON, read as Kubernetes clients expect: `yes` and `on` are booleans,
/// `010` is eight, `2026-11-28` stays text, a plain number as a key is text. A key that is there
/// twice is printed twice: who decodes decides. Aliases are expanded up to a bound. JSON passes
/// unchanged. Error (Code::malformed): a sentence with the line.
Result<std::string> json_of_yaml(std::string_view yaml);

}  // namespace tetrarch::object
