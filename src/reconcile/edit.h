// SPDX-License-Identifier: Apache-2.0
// Edit: from an object as read to its changed document. Heavy header (trees): for .cc files.
#pragma once

#include <string_view>

#include "object/stored.h"
#include "object/tree.h"

namespace tetrarch::reconcile {

class Edit {
 public:
  explicit Edit(const Stored& read) : tree_(object::to_tree(read.root())) {}

  object::TreeObject& root() { return tree_.as_object(); }

  object::TreeObject& metadata() { return object_in(root(), "metadata"); }

  object::TreeObject& spec() { return object_in(root(), "spec"); }

  object::TreeObject& status() { return object_in(root(), "status"); }

  DocumentPtr document() const { return object::to_document(tree_); }

  /// The member as an object, made where it is missing.
  static object::TreeObject& object_in(object::TreeObject& parent, std::string_view name);
  static object::TreeArray& array_in(object::TreeObject& parent, std::string_view name);

 private:
  object::Tree tree_;
};

/// The same but for members that are absent on one side and null or empty on the other; order of
/// members is free.
bool same_meaning(const object::Tree& a, const object::Tree& b);
bool same_meaning(object::View a, const object::Tree& b);
bool same_meaning(object::View a, object::View b);

/// An entry for metadata.ownerReferences that marks `owner` as the controller.
object::TreeObject controller_reference(const Stored& owner);
/// The object with `owner` as its controller.
DocumentPtr adopted(const Stored& object, const Stored& owner);
/// The object without references to the uid.
DocumentPtr released(const Stored& object, std::string_view uid);
/// The object without that finalizer.
DocumentPtr without_finalizer(const Stored& object, std::string_view finalizer);
/// The object with another status.
DocumentPtr with_status(const Stored& object, object::Tree status);

}  // namespace tetrarch::reconcile
