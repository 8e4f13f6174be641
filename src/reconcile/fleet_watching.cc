// SPDX-License-Identifier: Apache-2.0
#include "reconcile/fleet_watching.h"

#include <algorithm>
#include <set>
#include <string>

#include "reconcile/fleet_labels.h"
#include "reconcile/fleet_pod.h"
#include "reconcile/fleet_unit_object.h"
#include "reconcile/node_taints.h"
#include "unitfile/glob.h"

namespace tetrarch::reconcile {

namespace {

Key key_of_unit(std::string_view ns, std::string_view name) {
  return {std::string(kFleetUnits), std::string(ns), std::string(name)};
}

void add_linked(const FleetView& view, const std::string& link, std::vector<Key>& keys) {
  const auto found = view.links.at(link);
  keys.insert(keys.end(), found.begin(), found.end());
}

/// Those that follow the unit, and those that take its place.
void add_dependents(const FleetView& view,
                    std::string_view ns,
                    std::string_view name,
                    std::vector<Key>& keys) {
  add_linked(view, link_text(UnitLink::peer, ns, name), keys);
  add_linked(view, link_text(UnitLink::replaced, ns, name), keys);
}

void add_replaced(const FleetUnit& unit, std::vector<Key>& keys) {
  for (const auto& name : unit.wanted.replaces) {
    keys.push_back(key_of_unit(unit.ns(), name));
  }
}

/// Units that match what these do not want beside them: their Pods are labelled by it.
void add_matching(const FleetView& view,
                  std::string_view ns,
                  const std::set<std::string>& patterns,
                  std::vector<Key>& keys) {
  if (patterns.empty()) {
    return;
  }
  for (const auto* unit : view.seen.list(kFleetUnits, ns)) {
    if (std::any_of(patterns.begin(), patterns.end(), [&](const auto& pattern) {
          return unitfile::matches_glob(pattern, unit->key.name);
        })) {
      keys.push_back(unit->key);
    }
  }
}

/// A pattern that others have too changes nothing.
std::set<std::string> changed_patterns(const FleetView& view, const Observed& change) {
  std::set<std::string> out;
  for (const auto* object : {change.before, change.after}) {
    if (object == nullptr) {
      continue;
    }
    for (auto& pattern : FleetUnit(*object).wanted.conflicts) {
      const auto count = view.links.count(link_text(UnitLink::pattern, object->key.ns, pattern));
      if (count <= 1) {
        out.insert(std::move(pattern));
      }
    }
  }
  return out;
}

/// Units that are to take that machine from another: they may not suit it any more.
void add_takers(const FleetView& view, std::string_view node, std::vector<Key>& keys) {
  for (const auto& pod : view.links.at(link_text(UnitLink::taken, "", node))) {
    if (const auto name = view.links.unit_of_pod(pod); !name.empty()) {
      keys.push_back(key_of_unit(pod.ns, name));
    }
  }
}

std::string_view node_of(const Stored* pod) {
  return pod == nullptr ? "" : node_of_pod(*pod);
}

bool is_leaving(const Stored* pod) {
  return pod == nullptr || pod->metadata()["deletionTimestamp"].exists();
}

/// Whether a change of a node can matter for units: heartbeats do not.
bool matters(const Observed& change) {
  if (change.before == nullptr || change.after == nullptr) {
    return true;
  }
  const auto before = change.before->root();
  const auto after = change.after->root();
  return !after["metadata"]["labels"].same_as(before["metadata"]["labels"]) ||
         !after["spec"].same_as(before["spec"]) ||
         ready_status(*change.before) != ready_status(*change.after);
}

}  // namespace

void keys_of_unit(const FleetView& view, const Observed& change, std::vector<Key>& keys) {
  const auto& any = change.any();
  keys.push_back(any.key);
  const bool is_kept = change.before != nullptr && change.after != nullptr;
  if (is_kept && change.before->root()["spec"].same_as(change.after->root()["spec"])) {
    return;
  }
  add_dependents(view, any.key.ns, any.key.name, keys);
  for (const auto* object : {change.before, change.after}) {
    if (object != nullptr) {
      add_replaced(FleetUnit(*object), keys);
    }
  }
  if (!is_kept ||
      !change.before->root()["spec"]["options"].same_as(change.after->root()["spec"]["options"])) {
    add_matching(view, any.key.ns, changed_patterns(view, change), keys);
  }
}

void keys_of_unit_pod(const FleetView& view, const Observed& change, std::vector<Key>& keys) {
  const auto& any = change.any();
  const auto name = unit_of(any);
  if (name.empty()) {
    return;
  }
  keys.push_back(key_of_unit(any.key.ns, name));
  const bool moves = node_of(change.before) != node_of(change.after) ||
                     is_leaving(change.before) != is_leaving(change.after);
  if (!moves) {
    return;
  }
  add_dependents(view, any.key.ns, name, keys);
  if (const auto node = node_of(change.after); !node.empty()) {
    add_takers(view, node, keys);  // it may conflict with them
  }
  if (const auto* unit = view.unit(any.key.ns, name)) {
    add_replaced(FleetUnit(*unit), keys);
  }
}

void keys_of_unit_node(const FleetView& view, const Observed& change, std::vector<Key>& keys) {
  if (!matters(change)) {
    return;
  }
  for (const auto* pod : view.seen.pods_on(change.any().key.name)) {
    if (const auto name = unit_of(*pod); !name.empty()) {
      keys.push_back(key_of_unit(pod->key.ns, name));
    }
  }
  add_takers(view, change.any().key.name, keys);
  add_linked(view, link_text(UnitLink::global, ""), keys);
  add_linked(view, link_text(UnitLink::machine, ""), keys);
}

}  // namespace tetrarch::reconcile
