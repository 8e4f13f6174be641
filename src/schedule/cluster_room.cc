// SPDX-License-Identifier: Apache-2.0
// Cluster: room for pods that fit nowhere. Who must go, and for whom a node is held meanwhile.
#include "schedule/cluster.h"
#include "schema/views/core.h"

namespace tetrarch::schedule {

VictimSearch& Cluster::search_of(const Stored& pod) {
  auto& [like, searches, age] = living(pod);
  const auto priority = priority_of(pod.root());
  if (searches.size() >= kSearchesMax && !searches.contains(priority)) {
    searches.clear();
  }
  const VictimSearch::Scene scene{*like, nodes_, pods_, counts_, budgets_};
  return searches.try_emplace(priority, scene, priority).first->second;
}

/// Where room is held for it, if it fits there; elsewhere, if it fits there by now. Else it goes on
/// waiting as long as the pods that end will do.
Decision Cluster::place_nominee(const Stored& pod, Place held) {
  const auto room_version = room_version_;
  take_off(*pods_.find(pod.uid()));
  PodClass& like = class_of(pod);
  if (like.choose_at(held, log_) != kNowhere) {
    put(pod, held, like.shared_claim());
    return {NodeName(nodes_.name(held)), {}};
  }
  const Place elsewhere = pinned_node(pod.root()).exists() ? kNowhere : like.choose(log_);
  if (elsewhere != kNowhere) {
    put(pod, elsewhere, like.shared_claim());
    ++room_version_;  // what was held
    return {NodeName(nodes_.name(elsewhere)), {}};
  }
  const auto here = search_of(pod).at(held, log_);
  if (here && here->victims.empty() && here->is_awaited) {
    put(pod, held, like.shared_claim(), true);
    room_version_ = room_version;
    return {.node = {}, .explanation = {}, .held = NodeName(nodes_.name(held))};
  }
  ++room_version_;
  return place_anew(pod);
}

Room Cluster::make_room(const Stored& pod) {
  const views::PodSpecView spec(pod.root()["spec"]);
  if (spec.preemption_policy() == "Never") {
    return {.node = {}, .text = "not eligible due to preemptionPolicy=Never."};
  }
  if (nodes_.count() == 0) {
    return {};
  }
  VictimSearch& search = search_of(pod);
  const auto pin = pinned_node(pod.root());
  const Place wanted = pin.exists() ? nodes_.find(pin.string()) : kNowhere;
  const auto found = pin.exists() ? search.at(wanted, log_) : search.best(log_);
  if (found) {
    return take_room(pod, *found);
  }
  return {.node = {}, .text = (pin.exists() ? search.explain_at(wanted) : search.explain()).text()};
}

Room Cluster::take_room(const Stored& pod, const Candidate& found) {
  Room out{.node = NodeName(nodes_.name(found.place)), .text = {}, .is_free = found.is_free()};
  for (const auto* victim : found.victims) {
    auto* leaving = pods_.find(victim->uid());
    leaving->is_leaving = true;
    budgets_.take(*leaving);
    out.victims.emplace_back(victim->uid());
  }
  const auto priority = priority_of(pod.root());
  for (const auto* other : pods_.at(found.place)) {
    if (other->is_nominated && other->priority < priority) {
      out.displaced.emplace_back(other->uid());
    }
  }
  for (const auto& uid : out.displaced) {
    remove_pod(uid);
  }
  put(pod, found.place, class_of(pod).shared_claim(), !out.is_free);
  return out;
}

void Cluster::spare(std::string_view uid) {
  auto* known = pods_.find(uid);
  if (known != nullptr && known->is_leaving) {
    known->is_leaving = false;
    budgets_.give_back(*known);
    if (known->place != kNowhere) {
      log_change(known->place);
    }
  }
}

void Cluster::nominate(const Stored& pod) {
  const auto node = pod.root()["status"]["nominatedNodeName"].string();
  if (!node.empty() && pods_.find(pod.uid()) == nullptr) {
    put(pod, nodes_.find(node), shared(claim_of_pod(pod.root(), dimensions_)), true);
  }
}

bool Cluster::is_nominated(std::string_view uid) {
  const auto* known = pods_.find(uid);
  return known != nullptr && known->is_nominated;
}

Explanation Cluster::explain(const Stored& pod) {
  PodClass& like = class_of(pod);
  const auto pin = pinned_node(pod.root());
  like.look(log_);
  return pin.exists() ? like.explain_at(nodes_.find(pin.string())) : like.explain(log_);
}

void Cluster::upsert_budget(const Stored& budget) {
  // What its controller has not seen to end when it wrote this is still to be taken off.
  budgets_.upsert(budget, [&](std::string_view uid) {
    const auto* pod = pods_.find(uid);
    return pod == nullptr || pod->is_terminating();
  });
}

void Cluster::remove_budget(const Key& key) {
  budgets_.remove(key);
}

}  // namespace tetrarch::schedule
