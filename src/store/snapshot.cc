// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "store/root.h"

namespace tetrarch::store {
namespace {

std::string_view name_of(const Table& table) {
  return *table.resource;
}

}  // namespace

const Tree* Snapshot::Root::find(std::string_view resource) const {
  const auto at = std::ranges::lower_bound(tables, resource, {}, name_of);
  return at != tables.end() && *at->resource == resource ? &at->tree : nullptr;
}

Table& Snapshot::Root::table(std::string_view resource) {
  const auto at = std::ranges::lower_bound(tables, resource, {}, name_of);
  if (at != tables.end() && *at->resource == resource) {
    return *at;
  }
  return *tables.insert(at, Table{std::make_shared<const std::string>(resource), {}});
}

Revision Snapshot::revision() const {
  return root_->revision;
}

std::optional<Stored> Snapshot::get(const Key& key) const {
  const Tree* tree = root_->find(key.resource);
  const Entry* entry = tree == nullptr ? nullptr : tree->find(place_of(key));
  if (entry == nullptr) {
    return std::nullopt;
  }
  return Stored{.key = key, .revision = entry->revision(), .document = entry->document()};
}

void Snapshot::scan(std::string_view resource,
                    std::string_view ns,
                    const std::pair<std::string, std::string>& after,
                    const std::function<bool(const Stored&)>& visit) const {
  const Tree* tree = root_->find(resource);
  if (tree == nullptr) {
    return;
  }
  // One Stored for the whole scan: its strings keep their capacity, so that a scan allocates next
  // to nothing.
  Stored stored;
  stored.key.resource = resource;
  tree->scan(std::max(Place{after.first, after.second}, Place{ns, {}}), [&](const Entry& entry) {
    if (!ns.empty() && entry.ns() != ns) {
      return false;
    }
    stored.key.ns = entry.ns();
    stored.key.name = entry.name();
    stored.revision = entry.revision();
    stored.document = entry.document();
    return visit(stored);
  });
}

std::size_t Snapshot::count(std::string_view resource, std::string_view ns) const {
  const Tree* tree = root_->find(resource);
  if (tree == nullptr) {
    return 0;
  }
  if (ns.empty()) {
    return tree->size();
  }
  std::string next(ns);
  next += '\0';  // the smallest text after ns
  return tree->rank({next, {}}) - tree->rank({ns, {}});
}

std::vector<std::string> Snapshot::resources() const {
  std::vector<std::string> names;
  for (const Table& table : root_->tables) {
    if (table.tree.size() > 0) {
      names.push_back(*table.resource);
    }
  }
  return names;
}

}  // namespace tetrarch::store
