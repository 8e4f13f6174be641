// SPDX-License-Identifier: Apache-2.0
// Members that stand twice in one object of a body that no type guides: a patch.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tetrarch::schema {

/// `duplicate field "spec.replicas"`, each place once, as a strict decoding error has it. The body
/// is JSON that could be read; empty where it could not.
std::vector<std::string> duplicate_fields(std::string_view json);

}  // namespace tetrarch::schema
