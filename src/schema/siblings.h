// SPDX-License-Identifier: Apache-2.0
// What a computed default may look at: the members that the client gave, of the object at hand and
// of those around it. Internal to the room (simdjson in the header).
#pragma once

#include <simdjson.h>
#include <string_view>
#include <vector>

#include "schema/catalog.h"

namespace tetrarch::schema {

using Element = simdjson::dom::element;

/// One object being decoded: for each field of its type what the client gave (is_given) or nothing.
struct Slot {
  Element element;
  bool is_given = false;
};

struct Scope {
  const Scope* parent = nullptr;
  const Type* type = nullptr;
  std::vector<Slot> slots;  ///< in the order of type->fields
};

/// The question form of a Scope. Null and absent are the same.
class Siblings {
 public:
  explicit Siblings(const Scope& scope) : scope_(&scope) {}

  bool has(std::string_view field) const;
  /// "" where it is absent or no string.
  std::string_view string(std::string_view field) const;
  bool is_true(std::string_view field) const;
  /// Is there anything besides this field?
  bool has_other_than(std::string_view field) const;
  /// nullptr where absent.
  const Element* element(std::string_view field) const;
  /// Is this object a member of the document itself, such as its metadata?
  bool is_top_member() const;
  /// The type of the whole document.
  const Type& root_type() const;
  /// The members of the whole document.
  Siblings root() const;
  /// The nearest object around this one of that type; empty where there is none.
  std::vector<Siblings> around(std::string_view type_name) const;

 private:
  const Scope* scope_;
};

}  // namespace tetrarch::schema
