// SPDX-License-Identifier: Apache-2.0
// Who owns which fields of an object after a change: the rules behind metadata.managedFields, for
// updates and for server-side apply. Pure; the registry calls it with what it read in one snapshot.
// Source of the rules: sigs.k8s.io/structured-merge-diff v6 (package merge) and apimachinery v0.35,
// util/managedfields, as they behave.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "object/document.h"
#include "object/field_set.h"
#include "object/managed_fields.h"
#include "schema/catalog.h"

namespace tetrarch::schema {

/// Who makes a change.
struct Manager {
  std::string name;
  std::string subresource = {};
  std::string now;  ///< RFC 3339
};

/// A change of one object. The views are of canonical objects of `kind`.
struct OwnedChange {
  const Catalog& catalog;
  const Kind& kind;  ///< the version that the caller speaks
  object::View old;  ///< absent: the object is new
  object::View fresh;
  const object::FieldSet& ignored;  ///< from ignored_fields()
};

/// What no request owns (name, uid and the like), and what a request to this subresource cannot
/// change. `has_status`: the main resource leaves the status alone.
object::FieldSet ignored_fields(const Kind& kind, std::string_view subresource, bool has_status);

/// Entries after an update: what changed is the manager's now, and nobody else's.
void own_update(object::ManagedEntries& entries, const OwnedChange& change, const Manager& manager);

/// The only entry of a new object, printed as the list that it makes.
std::string print_creator(const OwnedChange& change, const Manager& manager);

/// How a configuration is applied; `fresh` of the change is the configuration, without defaults.
struct ApplyOptions {
  bool is_forced = false;
  /// What may be taken from whoever has it.
  object::FieldSet allowed = {};
};

/// The object after applying, before defaults; `entries` are then those after it. Error
/// (Code::conflict): other managers have set what would change; one cause for each field.
Result<DocumentPtr> own_apply(object::ManagedEntries& entries,
                              const OwnedChange& change,
                              const Manager& manager,
                              const ApplyOptions& options);

}  // namespace tetrarch::schema
