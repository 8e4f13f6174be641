// SPDX-License-Identifier: Apache-2.0
// The texts of schema/*.schema and schema/*.numbers, compiled into the program by
// tools/schema_views.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tetrarch::schema {

/// File name and text of each.
std::vector<std::pair<std::string, std::string>> builtin_tables();
/// schema/protobuf.numbers
std::string_view builtin_protobuf_numbers();

}  // namespace tetrarch::schema
