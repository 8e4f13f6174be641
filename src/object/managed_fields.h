// SPDX-License-Identifier: Apache-2.0
// metadata.managedFields: who set which fields, entry by entry. Reading, printing and the order of
// entries; what becomes of them when an object changes is schema/ownership.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "object/document.h"
#include "object/field_set.h"

namespace tetrarch::object {

/// One manager's fields. A manager is told apart by all but time and fields; one that applies keeps
/// its entry when it changes the version.
struct ManagedEntry {
  std::string manager = {};
  bool is_apply = false;
  std::string api_version = {};
  std::string time = {};
  std::string subresource = {};
  /// Where the fields are: printed, in a document that outlives the entry, or, where they were
  /// changed, here.
  View printed = {};
  std::optional<FieldSet> changed = {};

  FieldSet fields() const;
  bool overlaps(const FieldSet& set) const;
  /// Whether all of it is in the entry.
  bool holds(const FieldSet& set) const;
  bool is_same_manager(const ManagedEntry& other) const;
};

using ManagedEntries = std::vector<ManagedEntry>;

/// Of a list as a client may send it. Error (Code::malformed): what is wrong with it.
Result<ManagedEntries> read_managed(View list);
/// Of a list that `print_managed` printed; the fields stay where they are.
ManagedEntries stored_managed(View list);
/// Canonical JSON of the list, in the order that clients expect; empty where there is no entry.
std::string print_managed(ManagedEntries entries);
/// The same entries but for their times.
bool differ_in_times_only(View a, View b);

/// Joins the oldest entries of updates until there are at most `max`.
void cap_updates(ManagedEntries& entries, std::size_t max);

}  // namespace tetrarch::object
