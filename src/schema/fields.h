// SPDX-License-Identifier: Apache-2.0
// What server-side apply does to typed objects: which fields they have, what differs between two,
// merging an applied configuration, taking fields out. All views are of canonical objects. Who owns
// what is schema/ownership.h.
// Source of the rules: sigs.k8s.io/structured-merge-diff v6 (package typed), as it behaves.
#pragma once

#include <string>

#include "base/result.h"
#include "object/document.h"
#include "object/field_set.h"
#include "schema/catalog.h"

namespace tetrarch::schema {

struct FieldChanges {
  object::FieldSet added;
  object::FieldSet modified;
  object::FieldSet removed;

  /// What whoever made the change owns by it.
  object::FieldSet gained() const { return unite(modified, added); }

  bool is_empty() const { return added.is_empty() && modified.is_empty() && removed.is_empty(); }
};

/// The fields that whoever applies this object means: leaves, elements, members of maps.
object::FieldSet fields_of(const Type& type, object::View object);

/// What makes `fresh` of `old`; an absent `old` is an object with nothing in it. What is in
/// `ignored`, or below it, is not looked at.
FieldChanges compare_fields(const Type& type,
                            object::View old,
                            object::View fresh,
                            const object::FieldSet& ignored);

/// Prints what compare_fields() of nothing and `object` calls added, as FieldsV1, in one pass.
void print_new_fields(std::string& out,
                      const Type& type,
                      object::View object,
                      const object::FieldSet& ignored);

/// `live` with all that `applied` says, as JSON: leaves are replaced, the rest is merged; elements
/// that are applied come in the order of `applied`.
std::string merge_applied(const Type& type, object::View live, object::View applied);

/// The object less these fields, as JSON. What has lost all it had stays, empty. (Ours: upstream
/// makes it null, so that applying `{}` twice is not the same as applying it once.)
std::string without_fields(const Type& type, object::View object, const object::FieldSet& gone);

/// The set, and the named fields on the way to what is in it.
object::FieldSet with_named_fields(const Type& type, const object::FieldSet& fields);

/// An applied configuration, as it was sent, may name declared fields only, and each element once.
/// Error (Code::malformed): the sentences that say where.
Status check_applied(const Type& type, object::View applied);

}  // namespace tetrarch::schema
