// SPDX-License-Identifier: Apache-2.0
// The texts of schema/*.schema, compiled into the program by tools/schema_views.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace tetrarch::schema {

/// File name and text of each.
std::vector<std::pair<std::string, std::string>> builtin_tables();

}  // namespace tetrarch::schema
