// SPDX-License-Identifier: Apache-2.0
#include "reconcile/fleet_unit_object.h"

#include <set>

#include "reconcile/fleet_labels.h"

namespace tetrarch::reconcile {

namespace {

char letter_of(UnitLink link) {
  constexpr std::string_view kLetters = "orpmgut";
  return kLetters[static_cast<std::size_t>(link)];
}

std::vector<std::string> links_of(const Stored& unit) {
  const FleetUnit read(unit);
  const auto& wanted = read.wanted;
  std::vector<std::string> out;
  out.reserve(wanted.peers.size() + wanted.replaces.size() + wanted.conflicts.size());
  for (const auto& peer : wanted.peers) {
    out.push_back(link_text(UnitLink::peer, read.ns(), peer));
  }
  for (const auto& other : wanted.replaces) {
    out.push_back(link_text(UnitLink::replaced, read.ns(), other));
  }
  for (const auto& pattern : wanted.conflicts) {
    out.push_back(link_text(UnitLink::pattern, read.ns(), pattern));
  }
  if (!wanted.machine_id.empty()) {
    out.push_back(link_text(UnitLink::machine, ""));
  }
  if (wanted.is_global) {
    out.push_back(link_text(UnitLink::global, ""));
  }
  return out;
}

}  // namespace

FleetUnit::FleetUnit(const Stored& stored) : object(&stored) {
  const auto spec = stored.root()["spec"];
  for (const auto option : spec["options"].elements()) {
    options.push_back({std::string(option["section"].string()),
                       std::string(option["name"].string()),
                       std::string(option["value"].string())});
  }
  wanted = unitfile::read_requirements(stored.key.name, options);
  desired = spec["desiredState"].string("inactive");
  restarts = spec["restarts"].integer();
}

std::string link_text(UnitLink link, std::string_view ns, std::string_view name) {
  std::string out(1, letter_of(link));
  out.append(ns).append("/").append(name);
  return out;
}

void UnitLinks::note(const Observed& change) {
  const bool is_kept = change.before != nullptr && change.after != nullptr;
  if (is_kept &&
      change.before->root()["spec"]["options"].same_as(change.after->root()["spec"]["options"])) {
    return;
  }
  if (change.before != nullptr) {
    for (const auto& link : links_of(*change.before)) {
      const auto found = keys_.find(link);
      if (found != keys_.end() && found->second.erase(change.before->key) > 0 &&
          found->second.empty()) {
        keys_.erase(found);
      }
    }
  }
  if (change.after != nullptr) {
    for (const auto& link : links_of(*change.after)) {
      keys_[link].insert(change.after->key);
    }
  }
}

void UnitLinks::note_taken(const Stored* pod, bool is_there) {
  const auto node =
      pod == nullptr ? std::string_view() : pod->metadata()["annotations"][kTakesFrom].string();
  if (node.empty()) {
    return;
  }
  const auto link = link_text(UnitLink::taken, "", node);
  auto& pods = keys_[link];
  if (is_there) {
    pods.insert(pod->key);
  } else if (pods.erase(pod->key); pods.empty()) {
    keys_.erase(link);
  }
}

void UnitLinks::note_pod(const Observed& change, std::string_view unit) {
  note_taken(change.before, false);
  note_taken(change.after, true);
  const auto& pod = change.any().key;
  auto& pods = keys_[link_text(UnitLink::pod, pod.ns, unit)];
  if (change.after != nullptr) {
    pods.insert(pod);
    units_.insert_or_assign(pod, std::string(unit));
    return;
  }
  units_.erase(pod);
  if (pods.erase(pod); pods.empty()) {
    keys_.erase(link_text(UnitLink::pod, pod.ns, unit));
  }
}

std::string_view UnitLinks::unit_of_pod(const Key& pod) const {
  const auto found = units_.find(pod);
  return found == units_.end() ? std::string_view() : std::string_view(found->second);
}

std::vector<Key> UnitLinks::at(const std::string& link) const {
  const auto found = keys_.find(link);
  return found == keys_.end() ? std::vector<Key>()
                              : std::vector<Key>(found->second.begin(), found->second.end());
}

std::size_t UnitLinks::count(const std::string& link) const {
  const auto found = keys_.find(link);
  return found == keys_.end() ? 0 : found->second.size();
}

bool UnitLinks::has(const std::string& link, const Key& key) const {
  const auto found = keys_.find(link);
  return found != keys_.end() && found->second.contains(key);
}

std::vector<std::string_view> UnitLinks::patterns_in(std::string_view ns) const {
  const auto beginning = link_text(UnitLink::pattern, ns);
  std::vector<std::string_view> out;
  for (auto at = keys_.lower_bound(beginning);
       at != keys_.end() && at->first.starts_with(beginning);
       ++at) {
    out.push_back(std::string_view(at->first).substr(beginning.size()));
  }
  return out;
}

const Stored* FleetView::unit(std::string_view ns, std::string_view name) const {
  return seen.get(kFleetUnits, ns, name);
}

bool may_replace(const FleetView& view, const FleetUnit& unit, std::string_view other) {
  std::set<std::string, std::less<>> known;
  std::vector<std::string> open{std::string(other)};
  while (!open.empty()) {
    const auto name = std::move(open.back());
    open.pop_back();
    if (name == unit.name()) {
      return false;
    }
    const auto* stored = view.unit(unit.ns(), name);
    if (stored == nullptr || !known.insert(name).second) {
      continue;
    }
    for (auto& next : FleetUnit(*stored).wanted.replaces) {
      open.push_back(std::move(next));
    }
  }
  return true;
}

std::vector<FleetUnit> replacers_of(const FleetView& view, const FleetUnit& unit) {
  std::vector<FleetUnit> out;
  for (const auto& key : view.links.at(link_text(UnitLink::replaced, unit.ns(), unit.name()))) {
    const auto* stored = view.seen.get(key);
    if (stored == nullptr) {
      continue;
    }
    FleetUnit other(*stored);
    if (other.is_wanted() && may_replace(view, other, unit.name())) {
      out.push_back(std::move(other));
    }
  }
  return out;
}

}  // namespace tetrarch::reconcile
