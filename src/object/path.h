// SPDX-License-Identifier: Apache-2.0
// Paths into Trees: dotted ("metadata.labels") and JSON pointers (RFC 6901,
// "/metadata/labels/a~1b").
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "object/tree.h"

namespace tetrarch::object {

/// The value at a dotted path of members; nullptr where there is none.
const Tree* find(const Tree& tree, std::string_view dotted_path);
Tree* find(Tree& tree, std::string_view dotted_path);

/// The object at a dotted path, made (with the objects on the way to it) where it is missing or no
/// object.
TreeObject& make_object(Tree& tree, std::string_view dotted_path);
/// Sets the value at a dotted path, making the objects on the way.
void set(Tree& tree, std::string_view dotted_path, Tree value);
/// Removes the member at a dotted path; true if there was one.
bool erase(Tree& tree, std::string_view dotted_path);
/// Removes a member and keeps the order of the others; true if there was one. `name` may hold dots.
bool erase_member(TreeObject& object, std::string_view name);

/// The text of a string; empty for anything else.
std::string_view text_of(const Tree& tree);
/// The text of the string at a dotted path; empty where there is none.
std::string_view text_at(const Tree& tree, std::string_view dotted_path);

/// The decoded steps of a JSON pointer; empty for "" (the whole). Error (Code::invalid): no leading
/// slash.
Result<std::vector<std::string>> parse_pointer(std::string_view pointer);
/// One step as a JSON pointer spells it: `~` and `/` escaped.
std::string pointer_step(std::string_view name);

/// How deeply objects and lists nest: 0 for a scalar, 1 for {} and [].
std::size_t depth_of(const Tree& tree);

/// Same value: numbers by value (1 and 1.0 are equal), members of objects in any order.
bool same_value(const Tree& a, const Tree& b);

}  // namespace tetrarch::object
