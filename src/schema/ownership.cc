// SPDX-License-Identifier: Apache-2.0
#include "schema/ownership.h"

#include <algorithm>
#include <utility>

#include "schema/fields.h"
#include "schema/ownership_versions.h"

namespace tetrarch::schema {

using object::FieldSet;
using object::ManagedEntries;
using object::ManagedEntry;
using object::View;

namespace {

// Source: apimachinery v0.35, util/managedfields, DefaultMaxUpdateManagers.
constexpr std::size_t kUpdatesMax = 10;

/// Takes from the entry what changed; false: nothing is left of it.
bool yield(ManagedEntry& entry, VersionedChanges& changes) {
  const auto* seen = changes.in(entry.api_version);
  if (seen == nullptr) {
    return false;
  }
  const auto lost = unite(seen->gained(), seen->removed);
  if (entry.overlaps(lost)) {
    entry.changed = subtract(entry.fields(), lost);
  }
  return !entry.changed || !entry.changed->is_empty();
}

}  // namespace

FieldSet ignored_fields(const Kind& kind, std::string_view subresource, bool has_status) {
  FieldSet metadata;
  // Source: apimachinery v0.35, util/managedfields, the set that is stripped from every manager's.
  for (const auto* name : {"f:creationTimestamp",
                           "f:generation",
                           "f:managedFields",
                           "f:name",
                           "f:namespace",
                           "f:resourceVersion",
                           "f:selfLink",
                           "f:uid"}) {
    metadata.add(name);
  }
  FieldSet out;
  out.add("f:apiVersion");
  out.add("f:kind");
  if (subresource == "status") {
    metadata.add("f:ownerReferences");
    for (const auto& field : kind.type->fields) {
      if (field.name != "metadata" && field.name != "status") {
        out.add("f:" + field.name);
      }
    }
  } else if (has_status) {
    out.add("f:status");
  }
  out.put("f:metadata", false, std::move(metadata));
  return out;
}

void own_update(ManagedEntries& entries, const OwnedChange& change, const Manager& manager) {
  VersionedChanges changes(change);
  const auto gained = changes.own().gained();
  ManagedEntry mine{manager.name, false, change.kind.api_version(), {}, manager.subresource};
  const auto is_mine = [&](const ManagedEntry& entry) { return entry.is_same_manager(mine); };
  auto own = std::find_if(entries.begin(), entries.end(), is_mine);
  const bool keeps =
      own != entries.end() && own->holds(gained) && !own->overlaps(changes.own().removed);
  std::erase_if(entries, [&](ManagedEntry& entry) {
    return !(keeps && is_mine(entry)) && !yield(entry, changes);
  });
  if (gained.is_empty()) {
    return;
  }
  own = std::find_if(entries.begin(), entries.end(), is_mine);
  if (own == entries.end()) {
    mine.changed.emplace();
    entries.push_back(std::move(mine));
    own = entries.end() - 1;
  }
  if (!keeps) {
    own->changed = unite(own->fields(), gained);
  }
  own->time = manager.now;
  object::cap_updates(entries, kUpdatesMax);
}

// What print_managed() would make of the one entry, without making it.
std::string print_creator(const OwnedChange& change, const Manager& manager) {
  std::string fields;
  print_new_fields(fields, *change.kind.type, change.fresh, change.ignored);
  if (fields == "{}") {
    return {};
  }
  std::string json;
  object::Writer out(json);
  out.begin_array().begin_object().field("apiVersion", change.kind.api_version());
  out.field("fieldsType", "FieldsV1").key("fieldsV1").raw(fields);
  out.field("manager", manager.name).field("operation", "Update").field("time", manager.now);
  out.end_object().end_array();
  return json;
}

}  // namespace tetrarch::schema
