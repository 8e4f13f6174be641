// SPDX-License-Identifier: Apache-2.0
// Source: kube-controller-manager, node lifecycle (1.31): flags node-eviction-rate,
// secondary-node-eviction-rate, unhealthy-zone-threshold, large-cluster-size-threshold (defaults),
// and ComputeZoneState. Ours: the rate is kept by the times at which taints were added, so that it
// needs no memory and holds over a restart.
#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "reconcile/edit.h"
#include "reconcile/node_lifecycle.h"
#include "reconcile/node_taints.h"
#include "reconcile/pod_state.h"
#include "schema/views/core.h"

namespace tetrarch::reconcile {

namespace {

using object::TreeArray;
using object::TreeObject;
using std::chrono::seconds;

constexpr seconds kBetweenNodes{10};
constexpr seconds kBetweenNodesSlow{100};
constexpr double kMostlyOut = 0.55;
constexpr std::size_t kMostlyOutLeast = 3;
constexpr std::size_t kLargeZone = 51;

constexpr std::string_view kZone = "topology.kubernetes.io/zone";
constexpr std::string_view kRegion = "topology.kubernetes.io/region";

/// One key answers for all nodes: what one node may depends on the others.
const Key kAllNodes{"nodes", "", ""};

bool is_outage_taint(views::TaintView taint) {
  return is_outage(taint.key()) && taint.effect() == kNoExecute;
}

/// The outage taint that evicts; absent: none.
views::TaintView evicting_taint(const Stored& node) {
  for (const auto taint : views::NodeView(node.root()).spec().taints()) {
    if (is_outage_taint(taint)) {
      return taint;
    }
  }
  return {};
}

std::string_view wanted_key(const Stored& node) {
  return ready_status(node) == "Unknown" ? kTaintUnreachable : kTaintNotReady;
}

/// When the node's readiness changed last.
TimePoint changed_at(const Stored& node) {
  for (const auto condition : views::NodeView(node.root()).status().conditions()) {
    if (condition.type() == "Ready") {
      return parse_time(condition.last_transition_time()).value_or(TimePoint{});
    }
  }
  return TimePoint{};
}

struct Zone {
  std::size_t ready = 0;
  std::size_t out = 0;
  std::vector<const Stored*> next = {};  // out, and not tainted yet
  std::optional<TimePoint> last = {};    // when one was tainted

  /// How long between two nodes; none: not now.
  std::optional<seconds> pace() const {
    const auto all = ready + out;
    const bool is_mostly_out = ready > 0 && out >= kMostlyOutLeast &&
                               static_cast<double>(out) / static_cast<double>(all) >= kMostlyOut;
    if (!is_mostly_out) {
      return kBetweenNodes;  // also where the whole zone is out, and another is not
    }
    return all >= kLargeZone ? std::optional(kBetweenNodesSlow) : std::nullopt;
  }
};

/// One look at all nodes.
class Round {
 public:
  Round(const Question& asked, seconds grace) : asked_(asked), nodes_(asked.seen.list("nodes")) {
    for (const auto* node : nodes_) {
      count(*node, grace);
    }
  }

  Plan run() {
    if (!has_ready_) {
      for (const auto* node : nodes_) {
        spare(*node);  // more likely it is us
      }
      return std::move(plan_);
    }
    for (auto& [name, zone] : zones_) {
      advance(zone);
    }
    return std::move(plan_);
  }

 private:
  void count(const Stored& node, seconds grace) {
    const auto labels = node.metadata()["labels"];
    auto& zone = zones_[std::pair(std::string(labels[kRegion].string()),
                                  std::string(labels[kZone].string()))];
    const auto taint = evicting_taint(node);
    if (taint) {
      const auto added = parse_time(taint.time_added()).value_or(created_at(node));
      zone.last = std::max(zone.last.value_or(added), added);
    }
    if (ready_status(node) == "True") {
      ++zone.ready;
      has_ready_ = true;
      const auto trusted = changed_at(node) + grace;
      judge_from_ = std::min(judge_from_.value_or(trusted), trusted);
      return;  // node_health takes its taint away
    }
    ++zone.out;
    if (!taint) {
      zone.next.push_back(&node);
    } else if (taint.key() != wanted_key(node)) {
      taint_node(node);
    }
  }

  /// Taints the node that has been out for longest, if it is time.
  void advance(Zone& zone) {
    const auto pace = zone.pace();
    if (zone.next.empty() || !pace) {
      return;
    }
    auto when = std::max(*judge_from_, asked_.seen.observing_since());
    if (zone.last) {
      when = std::max(when, *zone.last + *pace);
    }
    if (when > asked_.now) {
      plan_.look_again_at(when);
      return;
    }
    const auto longest =
        std::min_element(zone.next.begin(), zone.next.end(), [](const Stored* a, const Stored* b) {
          return std::pair(changed_at(*a), a->key.name) < std::pair(changed_at(*b), b->key.name);
        });
    taint_node(**longest);
    if (zone.next.size() > 1) {
      plan_.look_again_at(asked_.now + *pace);
    }
  }

  void taint_node(const Stored& node) {
    write_taints(node,
                 TreeObject{{"key", wanted_key(node)},
                            {"effect", kNoExecute},
                            {"timeAdded", format_time(asked_.now)}});
  }

  void spare(const Stored& node) {
    if (evicting_taint(node)) {
      write_taints(node, std::nullopt);
    }
  }

  /// The node with this evicting taint instead of what it has.
  void write_taints(const Stored& node, std::optional<TreeObject> evicting) {
    Edit edit(node);
    TreeArray taints;
    for (const auto taint : views::NodeView(node.root()).spec().taints()) {
      if (!is_outage_taint(taint)) {
        taints.push_back(object::to_tree(taint.view()));
      }
    }
    if (evicting) {
      taints.push_back(std::move(*evicting));
    }
    if (taints.empty()) {
      edit.spec().erase("taints");
    } else {
      edit.spec()["taints"] = std::move(taints);
    }
    plan_.changes.push_back(update_of(node, edit.document()));
  }

  const Question& asked_;
  const std::vector<const Stored*> nodes_;
  std::map<std::pair<std::string, std::string>, Zone> zones_;  // by region and zone
  bool has_ready_ = false;
  std::optional<TimePoint> judge_from_;  // when a node will have been ready for long enough
  Plan plan_;
};

/// Heartbeats change nothing of this, nor do taints that evict nobody.
bool matters(const Observed& change) {
  if (change.before == nullptr || change.after == nullptr) {
    return true;
  }
  const auto differs = [&](std::string_view path) {
    return !change.before->root().find(path).same_as(change.after->root().find(path));
  };
  return ready_status(*change.before) != ready_status(*change.after) ||
         !evicting_taint(*change.before).view().same_as(evicting_taint(*change.after).view()) ||
         differs("metadata.labels");
}

class NodeDisruption final : public Controller {
 public:
  explicit NodeDisruption(seconds grace) : grace_(grace) {}

  std::string_view name() const override { return "node-disruption"; }

  std::vector<Watching> watches() const override {
    return {{"nodes", [](const Mirror&, const Observed& change, std::vector<Key>& keys) {
               if (matters(change)) {
                 keys.push_back(kAllNodes);
               }
             }}};
  }

  Plan reconcile(const Question& asked) const override { return Round(asked, grace_).run(); }

 private:
  const seconds grace_;
};

}  // namespace

std::unique_ptr<Controller> node_disruption_controller(seconds grace) {
  return std::make_unique<NodeDisruption>(grace);
}

}  // namespace tetrarch::reconcile
