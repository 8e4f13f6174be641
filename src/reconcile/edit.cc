// SPDX-License-Identifier: Apache-2.0
#include "reconcile/edit.h"

namespace tetrarch::reconcile {

namespace {

using object::Tree;
using object::TreeArray;
using object::TreeObject;

bool is_empty(const Tree& value) {
  return value.is_null() || (value.is_object() && value.get_object().empty()) ||
         (value.is_array() && value.get_array().empty());
}

/// Every member of `a` that says something is in `b`.
bool covers(const TreeObject& a, const TreeObject& b) {
  for (const auto& [name, value] : a) {
    const auto* other = b.if_contains(name);
    if (other == nullptr ? !is_empty(value) : !same_meaning(value, *other)) {
      return false;
    }
  }
  return true;
}

}  // namespace

TreeObject& Edit::object_in(TreeObject& parent, std::string_view name) {
  auto& value = parent[name];
  return value.is_object() ? value.get_object() : value.emplace_object();
}

TreeArray& Edit::array_in(TreeObject& parent, std::string_view name) {
  auto& value = parent[name];
  return value.is_array() ? value.get_array() : value.emplace_array();
}

bool same_meaning(const Tree& a, const Tree& b) {
  if (is_empty(a) && is_empty(b)) {
    return true;
  }
  if (a.is_object() && b.is_object()) {
    return covers(a.get_object(), b.get_object()) && covers(b.get_object(), a.get_object());
  }
  if (a.is_array() && b.is_array()) {
    const auto& left = a.get_array();
    const auto& right = b.get_array();
    return std::equal(
        left.begin(), left.end(), right.begin(), right.end(), [](const Tree& x, const Tree& y) {
          return same_meaning(x, y);
        });
  }
  return a == b;
}

bool same_meaning(object::View a, const Tree& b) {
  return same_meaning(object::to_tree(a), b);
}

bool same_meaning(object::View a, object::View b) {
  return a.same_as(b) || same_meaning(object::to_tree(a), object::to_tree(b));
}

TreeObject controller_reference(const Stored& owner) {
  const auto root = owner.root();
  return TreeObject{{"apiVersion", root["apiVersion"].string()},
                    {"kind", root["kind"].string()},
                    {"name", owner.key.name},
                    {"uid", owner.uid()},
                    {"controller", true},
                    {"blockOwnerDeletion", true}};
}

DocumentPtr adopted(const Stored& object, const Stored& owner) {
  Edit edit(object);
  Edit::array_in(edit.metadata(), "ownerReferences").push_back(controller_reference(owner));
  return edit.document();
}

DocumentPtr released(const Stored& object, std::string_view uid) {
  Edit edit(object);
  TreeArray kept;
  for (const auto& reference : Edit::array_in(edit.metadata(), "ownerReferences")) {
    if (reference.at("uid").as_string() != uid) {
      kept.push_back(reference);
    }
  }
  if (kept.empty()) {
    edit.metadata().erase("ownerReferences");
  } else {
    edit.metadata()["ownerReferences"] = std::move(kept);
  }
  return edit.document();
}

DocumentPtr without_finalizer(const Stored& object, std::string_view finalizer) {
  Edit edit(object);
  TreeArray kept;
  for (const auto& each : Edit::array_in(edit.metadata(), "finalizers")) {
    if (!each.is_string() || each.get_string() != finalizer) {
      kept.push_back(each);
    }
  }
  if (kept.empty()) {
    edit.metadata().erase("finalizers");
  } else {
    edit.metadata()["finalizers"] = std::move(kept);
  }
  return edit.document();
}

DocumentPtr with_status(const Stored& object, Tree status) {
  Edit edit(object);
  edit.root()["status"] = std::move(status);
  return edit.document();
}

}  // namespace tetrarch::reconcile
