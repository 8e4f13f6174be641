// SPDX-License-Identifier: Apache-2.0
#include "reconcile/mirror.h"

#include <algorithm>

#include "reconcile/pod_state.h"

namespace tetrarch::reconcile {

namespace {

std::string_view node_of(const Stored& object) {
  return object.key.resource == "pods" ? object.root()["spec"]["nodeName"].string() : "";
}

bool is_ending_pod(const Stored& object) {
  return object.key.resource == "pods" &&
         (is_terminating(object) || is_finished(views::PodView(object.root())));
}

/// Of the same uid and the same owners: most changes of an object keep both.
bool is_same_family(const Stored& a, const Stored& b) {
  const auto before = a.metadata();
  const auto after = b.metadata();
  return before["uid"].same_as(after["uid"]) &&
         before["ownerReferences"].same_as(after["ownerReferences"]);
}

/// The resources that a selector adopts.
bool is_adoptable(std::string_view resource) {
  return resource == "pods" || resource == "replicasets.apps";
}

}  // namespace

void Mirror::listen(Listener listener) {
  listeners_.push_back(std::move(listener));
}

void Mirror::tell(const Observed& change) const {
  for (const auto& listener : listeners_) {
    listener(change);
  }
}

void Mirror::put(const Stored& object, TimePoint now) {
  auto& table = tables_[object.key.resource];
  const auto found = table.entries.find(Place{object.key.ns, object.key.name});
  table.revision = std::max(table.revision, object.revision);
  if (found == table.entries.end()) {
    const auto& entry = **table.entries.insert(std::make_unique<Entry>(object, now)).first;
    index(table, entry);
    tell({nullptr, &entry.object});
    return;
  }
  auto& entry = **found;
  if (entry.object.revision >= object.revision) {
    return;
  }
  const bool keeps_family = is_same_family(entry.object, object);
  if (!keeps_family) {
    unindex(table, entry);
  }
  // The key stays the one that the indexes are ordered by.
  const Stored before{entry.object.key, entry.object.revision, std::move(entry.object.document)};
  entry.object.revision = object.revision;
  entry.object.document = object.document;
  entry.seen = now;
  if (!keeps_family) {
    index(table, entry);
  } else {
    index_again(entry, before);
  }
  tell({&before, &entry.object});
}

void Mirror::erase(const Stored& last) {
  auto& table = tables_[last.key.resource];
  table.revision = std::max(table.revision, last.revision);
  const auto found = table.entries.find(Place{last.key.ns, last.key.name});
  if (found == table.entries.end() || (*found)->object.revision > last.revision) {
    return;
  }
  unindex(table, **found);
  if (last.key.resource == "nodes") {
    heard_.erase(last.key.name);
  }
  const auto gone = table.entries.extract(found);
  tell({&gone.value()->object, nullptr});
}

void Mirror::replace(std::string_view resource,
                     const std::vector<Stored>& items,
                     Revision revision,
                     TimePoint now) {
  std::set<Place> kept;
  for (const auto& item : items) {
    kept.insert({item.key.ns, item.key.name});
  }
  std::vector<Stored> gone;
  for (const auto& entry : tables_[std::string(resource)].entries) {
    if (!kept.contains(ByPlace::of(entry))) {
      gone.push_back(entry->object);
    }
  }
  for (auto& last : gone) {
    last.revision = std::max(last.revision, revision);
    erase(last);
  }
  for (const auto& item : items) {
    put(item, now);
  }
  advance(resource, revision);
}

void Mirror::advance(std::string_view resource, Revision revision) {
  auto& table = tables_[std::string(resource)];
  table.revision = std::max(table.revision, revision);
}

const Stored* Mirror::get(const Key& key) const {
  return get(key.resource, key.ns, key.name);
}

const Stored* Mirror::get(std::string_view resource,
                          std::string_view ns,
                          std::string_view name) const {
  const auto table = tables_.find(resource);
  if (table == tables_.end()) {
    return nullptr;
  }
  const auto found = table->second.entries.find(Place{ns, name});
  return found == table->second.entries.end() ? nullptr : &(*found)->object;
}

std::vector<const Stored*> Mirror::list(std::string_view resource, std::string_view ns) const {
  std::vector<const Stored*> out;
  const auto table = tables_.find(resource);
  if (table == tables_.end()) {
    return out;
  }
  const auto& entries = table->second.entries;
  for (auto at = ns.empty() ? entries.begin() : entries.lower_bound(Place{ns, ""});
       at != entries.end();
       ++at) {
    if (!ns.empty() && (*at)->object.key.ns != ns) {
      break;
    }
    out.push_back(&(*at)->object);
  }
  return out;
}

const Stored* Mirror::by_uid(std::string_view uid) const {
  const auto found = uids_.find(uid);
  return found == uids_.end() ? nullptr : &(*found)->object;
}

std::vector<const Stored*> Mirror::entries_at(const EntriesBy& index, std::string_view at) {
  std::vector<const Stored*> out;
  const auto found = index.find(at);
  if (found != index.end()) {
    for (const Entry* entry : found->second) {
      out.push_back(&entry->object);
    }
  }
  return out;
}

std::vector<const Stored*> Mirror::owned_by(std::string_view uid) const {
  return entries_at(dependents_, uid);
}

std::vector<const Stored*> Mirror::controlled_by(std::string_view resource,
                                                 std::string_view uid) const {
  auto out = owned_by(uid);
  std::erase_if(out, [&](const Stored* object) {
    if (object->key.resource != resource) {
      return true;
    }
    for (const auto reference : object->metadata()["ownerReferences"].elements()) {
      if (reference["uid"].string() == uid && reference["controller"].boolean()) {
        return false;
      }
    }
    return true;
  });
  return out;
}

std::vector<const Stored*> Mirror::uncontrolled(std::string_view resource,
                                                std::string_view ns) const {
  std::vector<const Stored*> out;
  const auto table = tables_.find(resource);
  if (table == tables_.end()) {
    return out;
  }
  const auto& places = table->second.uncontrolled;
  for (auto at = places.lower_bound(Place{ns, ""});
       at != places.end() && (*at)->object.key.ns == ns;
       ++at) {
    out.push_back(&(*at)->object);
  }
  return out;
}

std::vector<const Stored*> Mirror::pods_on(std::string_view node) const {
  return entries_at(pods_, node);
}

std::vector<std::string_view> Mirror::nodes_with_pods() const {
  std::vector<std::string_view> out;
  out.reserve(pods_.size());
  for (const auto& [node, entries] : pods_) {
    out.push_back(node);
  }
  return out;
}

std::vector<const Stored*> Mirror::ending_pods() const {
  std::vector<const Stored*> out;
  out.reserve(ending_.size());
  for (const Entry* entry : ending_) {
    out.push_back(&entry->object);
  }
  return out;
}

std::vector<std::string> Mirror::resources() const {
  std::vector<std::string> out;
  for (const auto& [resource, table] : tables_) {
    out.push_back(resource);
  }
  return out;
}

std::size_t Mirror::count(std::string_view resource) const {
  const auto table = tables_.find(resource);
  return table == tables_.end() ? 0 : table->second.entries.size();
}

Revision Mirror::revision(std::string_view resource) const {
  const auto table = tables_.find(resource);
  return table == tables_.end() ? Revision{} : table->second.revision;
}

TimePoint Mirror::seen_at(const Key& key) const {
  const auto table = tables_.find(key.resource);
  if (table == tables_.end()) {
    return observing_since_;
  }
  const auto found = table->second.entries.find(Place{key.ns, key.name});
  return found == table->second.entries.end() ? observing_since_
                                              : std::max(observing_since_, (*found)->seen);
}

void Mirror::hear(std::string_view node, TimePoint time) {
  if (const auto at = heard_.find(node); at != heard_.end()) {
    at->second = std::max(at->second, time);
  } else if (get("nodes", "", node) != nullptr) {
    heard_.emplace(node, time);
  }
}

std::optional<TimePoint> Mirror::heard_at(std::string_view node) const {
  const auto at = heard_.find(node);
  return at == heard_.end() || at->second < observing_since_ ? std::nullopt
                                                             : std::optional(at->second);
}

std::vector<std::pair<std::string_view, TimePoint>> Mirror::heard_nodes() const {
  std::vector<std::pair<std::string_view, TimePoint>> out;
  out.reserve(heard_.size());
  for (const auto& [node, time] : heard_) {
    if (time >= observing_since_) {
      out.emplace_back(node, time);
    }
  }
  return out;
}

void Mirror::index(Table& table, const Entry& entry) {
  const Stored& object = entry.object;
  if (const auto uid = object.uid(); !uid.empty()) {
    uids_.erase(uid);  // of an object that had it before
    uids_.insert(&entry);
  }
  bool is_controlled = false;
  for (const auto reference : object.metadata()["ownerReferences"].elements()) {
    dependents_[std::string(reference["uid"].string())].insert(&entry);
    is_controlled = is_controlled || reference["controller"].boolean();
  }
  if (!is_controlled && is_adoptable(object.key.resource)) {
    table.uncontrolled.insert(&entry);
  }
  if (const auto node = node_of(object); !node.empty()) {
    pods_[std::string(node)].insert(&entry);
  }
  if (is_ending_pod(object)) {
    ending_.insert(&entry);
  }
}

void Mirror::index_again(const Entry& entry, const Stored& before) {
  if (const auto node = node_of(entry.object); node != node_of(before)) {
    erase_from(pods_, node_of(before), entry);
    if (!node.empty()) {
      pods_[std::string(node)].insert(&entry);
    }
  }
  if (is_ending_pod(entry.object)) {
    ending_.insert(&entry);
  } else if (is_ending_pod(before)) {
    ending_.erase(&entry);
  }
}

void Mirror::unindex(Table& table, const Entry& entry) {
  const Stored& object = entry.object;
  const auto uid = uids_.find(object.uid());
  if (uid != uids_.end() && *uid == &entry) {
    uids_.erase(uid);
  }
  for (const auto reference : object.metadata()["ownerReferences"].elements()) {
    erase_from(dependents_, reference["uid"].string(), entry);
  }
  table.uncontrolled.erase(&entry);
  if (const auto node = node_of(object); !node.empty()) {
    erase_from(pods_, node, entry);
  }
  ending_.erase(&entry);
}

void Mirror::erase_from(EntriesBy& index, std::string_view at, const Entry& entry) {
  const auto found = index.find(at);
  if (found == index.end()) {
    return;
  }
  found->second.erase(&entry);
  if (found->second.empty()) {
    index.erase(found);
  }
}

}  // namespace tetrarch::reconcile
