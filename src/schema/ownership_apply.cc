// SPDX-License-Identifier: Apache-2.0
// Applying a configuration: merge, take away what the manager no longer says, settle who owns what.
#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "schema/convert.h"
#include "schema/fields.h"
#include "schema/ownership.h"
#include "schema/ownership_versions.h"

namespace tetrarch::schema {

using object::FieldSet;
using object::ManagedEntries;
using object::ManagedEntry;
using object::View;

namespace {

/// An object in some version of its kind.
struct Versioned {
  DocumentPtr document;
  const Kind* kind = nullptr;

  View root() const { return document->root(); }

  const Type& type() const { return *kind->type; }

  FieldSet named_fields() const { return with_named_fields(type(), fields_of(type(), root())); }

  Versioned without(const FieldSet& gone) const {
    return {Document::from_canonical(without_fields(type(), root(), gone)), kind};
  }

  Result<Versioned> in(const Kind& other) const {
    TRY(auto converted, in_version(root(), *kind, other));
    return Versioned{std::move(converted), &other};
  }
};

/// Of what prune took from `merged`, gives back what somebody owns in this version.
Result<Versioned> give_back(const Versioned& merged,
                            const Versioned& pruned,
                            const FieldSet& owned) {
  TRY(const auto now, pruned.in(*merged.kind));
  const auto stays = unite(now.named_fields(), with_named_fields(merged.type(), owned));
  return merged.without(subtract(merged.named_fields(), stays));
}

/// What all managers own, by the version in which they said so.
std::map<std::string, FieldSet> owned_by_version(const ManagedEntries& entries) {
  std::map<std::string, FieldSet> out;
  for (const auto& entry : entries) {
    auto& owned = out[entry.api_version];
    owned = unite(owned, entry.fields());
  }
  return out;
}

/// Takes out of `merged` what the manager applied last time (`last`) and nobody owns now.
Result<DocumentPtr> prune(const Versioned& merged,
                          const ManagedEntries& entries,
                          const ManagedEntry& last,
                          const Catalog& catalog) {
  const auto* kind = sibling_kind(catalog, *merged.kind, last.api_version);
  const auto last_fields = last.fields();
  if (kind == nullptr || last_fields.is_empty()) {
    return merged.document;
  }
  TRY(const auto whole, merged.in(*kind));
  const auto named_last = with_named_fields(*kind->type, last_fields);
  auto pruned = whole.without(named_last);
  auto owned = owned_by_version(entries);
  // Its own version first: what is taken out there may be needed to convert.
  if (const auto own = owned.extract(last.api_version); !own.empty()) {
    TRY(pruned, give_back(whole, pruned, own.mapped()));
  }
  for (const auto& [version, fields] : owned) {
    if (const auto* other = sibling_kind(catalog, *merged.kind, version); other != nullptr) {
      TRY(const auto whole_there, whole.in(*other));
      TRY(pruned, give_back(whole_there, pruned, fields));
    }
  }
  // Only what was the manager's may go.
  TRY(const auto left, pruned.in(*kind));
  const auto gone = intersect(subtract(whole.named_fields(), left.named_fields()), named_last);
  TRY(const auto out, whole.without(gone).in(*merged.kind));
  return out.document;
}

struct Conflict {
  std::string with;  ///< as it is printed
  std::string path;
};

std::string printed_manager(const ManagedEntry& entry) {
  auto out = fmt::format("\"{}\"", entry.manager);
  if (!entry.subresource.empty()) {
    out += fmt::format(" with subresource \"{}\"", entry.subresource);
  }
  if (!entry.is_apply) {
    out += " using " + entry.api_version;
  }
  return out;
}

/// Source: apimachinery v0.35, util/managedfields/internal/conflict.go, as kubectl prints it.
Error conflict_error(std::vector<Conflict> conflicts) {
  Error error;
  error.code = Code::conflict;
  for (const auto& each : conflicts) {
    error.fields.push_back({"FieldManagerConflict", "conflict with " + each.with, each.path});
  }
  if (conflicts.size() == 1) {
    error.message = fmt::format("Apply failed with 1 conflict: conflict with {}: {}",
                                conflicts.front().with,
                                conflicts.front().path);
    return error;
  }
  std::stable_sort(conflicts.begin(), conflicts.end(), [](const Conflict& a, const Conflict& b) {
    return a.with < b.with;
  });
  error.message = fmt::format("Apply failed with {} conflicts: ", conflicts.size());
  std::string_view manager;
  for (const auto& each : conflicts) {
    if (each.with != manager) {
      error.message += fmt::format("{}conflicts with {}:", manager.empty() ? "" : "\n", each.with);
      manager = each.with;
    }
    error.message += "\n- " + each.path;
  }
  return error;
}

void add_conflicts(const ManagedEntry& entry,
                   const FieldSet& taken,
                   const FieldSet& allowed,
                   std::vector<Conflict>& out) {
  taken.for_each([&](FieldSet::Path path) {
    if (!allowed.has_path(path)) {
      out.push_back({printed_manager(entry), object::path_text(path)});
    }
  });
}

/// Lets the other managers yield, or says whose fields stand against it.
Status take_over(ManagedEntries& entries,
                 const ManagedEntry& mine,
                 VersionedChanges& changes,
                 const ApplyOptions& options) {
  std::vector<Conflict> conflicts;
  ManagedEntries left;
  for (auto entry : entries) {
    if (entry.is_same_manager(mine)) {
      continue;
    }
    const auto* seen = changes.in(entry.api_version);
    if (seen == nullptr) {
      continue;
    }
    const auto gained = seen->gained();
    if (entry.overlaps(gained) || entry.overlaps(seen->removed)) {
      const auto fields = entry.fields();
      if (!options.is_forced) {
        add_conflicts(entry, intersect(fields, gained), options.allowed, conflicts);
      }
      entry.changed = subtract(subtract(fields, gained), seen->removed);
    }
    if (!entry.changed || !entry.changed->is_empty()) {
      left.push_back(std::move(entry));
    }
  }
  if (!conflicts.empty()) {
    return conflict_error(std::move(conflicts));
  }
  entries = std::move(left);
  return ok();
}

/// What the manager means by its configuration.
FieldSet applied_fields(const OwnedChange& change) {
  auto fields = subtract_deep(fields_of(*change.kind.type, change.fresh), change.ignored);
  FieldSet metadata;  // never anybody's as a whole
  metadata.add("f:metadata");
  return subtract(fields, metadata);
}

}  // namespace

Result<DocumentPtr> own_apply(ManagedEntries& entries,
                              const OwnedChange& change,
                              const Manager& manager,
                              const ApplyOptions& options) {
  const auto& kind = change.kind;
  ManagedEntry mine{manager.name, true, kind.api_version(), manager.now, manager.subresource};
  mine.changed = applied_fields(change);
  const auto at = std::find_if(entries.begin(), entries.end(), [&](const ManagedEntry& entry) {
    return entry.is_same_manager(mine);
  });
  const auto last = at == entries.end() ? std::optional<ManagedEntry>() : *at;
  auto with_mine = entries;
  std::erase_if(with_mine, [&](const ManagedEntry& entry) { return entry.is_same_manager(mine); });
  with_mine.push_back(mine);
  // While fields are taken out it also holds what nobody owns, such as its name.
  with_mine.back().changed = fields_of(*kind.type, change.fresh);
  const Versioned merged{
      Document::from_canonical(merge_applied(*kind.type, change.old, change.fresh)), &kind};
  auto fresh = merged.document;
  if (last) {
    TRY(fresh, prune(merged, with_mine, *last, change.catalog));
  }
  const OwnedChange made{change.catalog, kind, change.old, fresh->root(), change.ignored};
  VersionedChanges changes(made);
  TRY_STATUS(take_over(with_mine, mine, changes, options));
  const bool is_as_before = last && last->api_version == mine.api_version &&
                            last->fields() == *mine.changed && changes.own().is_empty();
  if (is_as_before) {
    mine.time = last->time;
  }
  if (!mine.changed->is_empty()) {
    with_mine.push_back(std::move(mine));
  }
  entries = std::move(with_mine);
  return fresh;
}

}  // namespace tetrarch::schema
