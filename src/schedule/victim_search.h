// SPDX-License-Identifier: Apache-2.0
// VictimSearch: for all pods of one class and one priority: on which node are how many less
// important pods in the way? Keeps its answer for each node, so that a pod like the last one costs
// the nodes that changed. Belongs to its class; one strand.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "base/clock.h"
#include "schedule/budgets.h"
#include "schedule/pod_class.h"
#include "schedule/reason_tally.h"

namespace tetrarch::schedule {

/// A node where it would fit, and who must go for that.
struct Candidate {
  Place place = kNowhere;
  std::vector<const PlacedPod*> victims = {};  ///< most important first
  std::size_t violations = 0;                  ///< victims that no disruption budget lets go
  bool is_awaited = false;                     ///< pods that end already are in the way too

  /// Nothing is in the way but nominations of less important pods.
  bool is_free() const { return victims.empty() && !is_awaited; }
};

class VictimSearch {
 public:
  /// What it looks at; outlives it.
  struct Scene {
    PodClass& like;
    const Nodes& nodes;
    const PlacedPods& pods;
    const PodCounts& counts;
    const Budgets& budgets;
  };

  VictimSearch(Scene scene, std::int32_t priority) : scene_(scene), priority_(priority) {}

  /// The best node of all.
  std::optional<Candidate> best(const ChangeLog& log);
  /// That node, if it is one. Costs no look at others.
  std::optional<Candidate> at(Place place, const ChangeLog& log);

  /// Why best() found none.
  Explanation explain() const { return tally_.explain(scene_.nodes.count()); }

  /// The same for at(): the other nodes are not what the pod asks for.
  Explanation explain_at(Place place) const;

 private:
  struct Verdict {
    std::optional<Candidate> candidate = {};
    std::vector<Reason> reasons = {};  ///< why not
    bool is_protected = false;         ///< disruption budgets were asked
  };

  /// What is compared, in this order. Source: kube-scheduler, preemption (1.35), how one node is
  /// picked. Ours: with nobody to evict, a node that is free at once before one that will be.
  struct Cost {
    bool has_victims = false;
    bool is_awaited = false;
    std::size_t violations = 0;
    std::int64_t highest = 0;
    std::int64_t sum = 0;
    std::size_t count = 0;
    std::chrono::microseconds age{};  ///< of the oldest of the most important victims
    Place place = kNowhere;
    auto operator<=>(const Cost&) const = default;
  };

  struct Seat {
    std::optional<Cost> cost = {};
    bool is_protected = false;
  };

  void catch_up(const ChangeLog& log);
  void build();
  void refresh(Place place);
  Verdict judge(Place place) const;
  Verdict judge_beside(Place place, const std::vector<PlacedPod*>& here) const;
  static Cost cost_of(const Candidate& candidate);

  const Scene scene_;
  const std::int32_t priority_;
  std::vector<Seat> seats_;  // by place
  std::set<Cost> order_;     // of the seats that have one
  ReasonTally tally_;
  bool is_built_ = false;
  Place next_ = 0;          // where a scan that stops early goes on
  std::uint64_t seen_ = 0;  // up to where the log was read
  std::uint64_t budgets_seen_ = 0;
  std::uint64_t reach_seen_ = 0;
};

}  // namespace tetrarch::schedule
