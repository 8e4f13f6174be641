// SPDX-License-Identifier: Apache-2.0
#include "schema/siblings.h"

namespace tetrarch::schema {

const Element* Siblings::element(std::string_view name) const {
  const Field* field = scope_->type->field(name);
  if (field == nullptr) {
    return nullptr;
  }
  const auto& slot = scope_->slots[static_cast<std::size_t>(field - scope_->type->fields.data())];
  return slot.is_given && !slot.element.is_null() ? &slot.element : nullptr;
}

bool Siblings::has(std::string_view field) const {
  return element(field) != nullptr;
}

std::string_view Siblings::string(std::string_view field) const {
  const auto* found = element(field);
  std::string_view text;
  if (found == nullptr || found->get_string().get(text) != simdjson::SUCCESS) {
    return {};
  }
  return text;
}

bool Siblings::is_true(std::string_view field) const {
  const auto* found = element(field);
  bool value = false;
  return found != nullptr && found->get_bool().get(value) == simdjson::SUCCESS && value;
}

bool Siblings::has_other_than(std::string_view field) const {
  for (const auto& other : scope_->type->fields) {
    if (other.name != field && has(other.name)) {
      return true;
    }
  }
  return false;
}

Siblings Siblings::root() const {
  const Scope* scope = scope_;
  while (scope->parent != nullptr) {
    scope = scope->parent;
  }
  return Siblings{*scope};
}

bool Siblings::is_top_member() const {
  return scope_->parent != nullptr && scope_->parent->parent == nullptr;
}

const Type& Siblings::root_type() const {
  return *root().scope_->type;
}

std::vector<Siblings> Siblings::around(std::string_view type_name) const {
  for (const Scope* scope = scope_->parent; scope != nullptr; scope = scope->parent) {
    if (scope->type->name == type_name) {
      return {Siblings{*scope}};
    }
  }
  return {};
}

}  // namespace tetrarch::schema
