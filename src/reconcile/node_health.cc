// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <set>

#include "reconcile/condition.h"
#include "reconcile/edit.h"
#include "reconcile/node_lifecycle.h"
#include "reconcile/node_taints.h"
#include "reconcile/pod_state.h"

namespace tetrarch::reconcile {

namespace {

using object::TreeArray;
using object::TreeObject;
using std::chrono::seconds;

constexpr std::string_view kLeases = "leases.coordination.k8s.io";
constexpr std::string_view kLeaseNamespace = "kube-node-lease";
constexpr std::array<std::string_view, 4> kConditions = {
    "Ready", "MemoryPressure", "DiskPressure", "PIDPressure"};

/// A condition and the taint that says the same to the scheduler.
struct ConditionTaint {
  std::string_view condition;
  std::string_view taint;
};

constexpr std::array<ConditionTaint, 4> kConditionTaints = {{
    {"MemoryPressure", "node.kubernetes.io/memory-pressure"},
    {"DiskPressure", "node.kubernetes.io/disk-pressure"},
    {"PIDPressure", "node.kubernetes.io/pid-pressure"},
    {"NetworkUnavailable", "node.kubernetes.io/network-unavailable"},
}};
/// Stands for all nodes whose beats are heard.
const Key kAllHeard{"nodes", "", ""};
constexpr std::string_view kTaintUnschedulable = "node.kubernetes.io/unschedulable";

std::string_view status_of(const Stored& node, std::string_view type) {
  for (const auto condition : node.root()["status"]["conditions"].elements()) {
    if (condition["type"].string() == type) {
      return condition["status"].string();
    }
  }
  return {};
}

/// The taints that the node's state asks for at once, as {key, effect}. NoExecute, which costs Pods
/// their place, is left to node_disruption.
std::set<std::pair<std::string, std::string>> wanted_taints(const Stored& node) {
  std::set<std::pair<std::string, std::string>> out;
  const auto ready = ready_status(node);
  if (ready != "True") {
    const std::string key(ready == "Unknown" ? kTaintUnreachable : kTaintNotReady);
    out.emplace(key, "NoSchedule");
  }
  for (const auto& each : kConditionTaints) {
    if (status_of(node, each.condition) == "True") {
      out.emplace(each.taint, "NoSchedule");
    }
  }
  if (node.root()["spec"]["unschedulable"].boolean()) {
    out.emplace(kTaintUnschedulable, "NoSchedule");
  }
  return out;
}

bool is_state_taint(std::string_view key) {
  return key == kTaintNotReady || key == kTaintUnreachable || key == kTaintUnschedulable ||
         std::any_of(kConditionTaints.begin(), kConditionTaints.end(), [&](const auto& each) {
           return each.taint == key;
         });
}

class NodeHealth final : public Controller {
 public:
  NodeHealth(seconds grace, seconds silence) : grace_(grace), silence_(silence) {}

  std::string_view name() const override { return "node-health"; }

  /// Not for renewals: like beats they only put off a deadline, which is computed anew when it
  /// comes.
  std::vector<Watching> watches() const override {
    return {
        {"nodes", own_key()},
        {std::string(kLeases), [](const Mirror&, const Observed& change, std::vector<Key>& keys) {
           if (change.after == nullptr && change.before->key.ns == kLeaseNamespace) {
             keys.push_back(Key{"nodes", "", change.before->key.name});
           }
         }}};
  }

  std::vector<Key> first_keys() const override { return {kAllHeard}; }

  Plan reconcile(const Question& asked) const override {
    return asked.key == kAllHeard ? look_for_silence(asked) : look_at_one(asked);
  }

 private:
  /// Whose beats have ended: the oldest sign of all says when there can be one. Looked for in time
  /// order, so that a thousand nodes that beat cost one look in some seconds.
  Plan look_for_silence(const Question& asked) const {
    Plan plan;
    plan.look_again_at(asked.now + silence_);
    for (const auto& [name, heard] : asked.seen.heard_nodes()) {
      if (asked.now < heard + silence_) {
        plan.look_again_at(heard + silence_);
        continue;
      }
      const auto* node = asked.seen.get("nodes", "", name);
      if (node == nullptr || ready_status(*node) == "Unknown") {
        continue;
      }
      if (const auto deadline = deadline_of(asked.seen, *node); asked.now < deadline) {
        plan.look_again_at(deadline);
      } else {
        mark_unknown(*node, asked.now, &plan);
      }
    }
    return plan;
  }

  Plan look_at_one(const Question& asked) const {
    Plan plan;
    const auto* node = asked.seen.get(asked.key);
    if (node == nullptr) {
      return plan;
    }
    const auto deadline = deadline_of(asked.seen, *node);
    if (asked.now >= deadline) {
      if (mark_unknown(*node, asked.now, &plan)) {
        return plan;  // taints follow the conditions
      }
      mark_pods(asked, *node, &plan);
    } else {
      // Beats give it less than a Lease, but whoever is heard is watched by look_for_silence.
      // Should they be forgotten, its Lease gives it as long again from then on.
      plan.look_again_at(asked.seen.heard_at(node->key.name) ? asked.now + grace_ : deadline);
    }
    set_taints(*node, asked.now, &plan);
    return plan;
  }

  /// When we last saw that the node's agent is there.
  static TimePoint last_sign(const Mirror& seen, const Stored& node) {
    const Key lease{std::string(kLeases), std::string(kLeaseNamespace), node.key.name};
    if (seen.get(lease) != nullptr) {
      return seen.seen_at(lease);
    }
    return std::max(seen.observing_since(), created_at(node));
  }

  TimePoint deadline_of(const Mirror& seen, const Stored& node) const {
    const auto leased = last_sign(seen, node);
    const auto heard = seen.heard_at(node.key.name);
    // A Lease that is renewed although the connection is gone counts, but not one that came between
    // the last two beats.
    const bool is_by_lease = !heard || leased > *heard + silence_ / 2;
    if (is_by_lease) {
      return leased + grace_;
    }
    // That it is ready only its agent says: one that is heard again by this first is there.
    const bool has_told = ready_status(node) == "True";
    return (has_told ? std::max(*heard, seen.seen_at(node.key)) : *heard) + silence_;
  }

  static bool mark_unknown(const Stored& node, TimePoint now, Plan* plan) {
    auto status = object::to_tree(node.root()["status"]);
    auto& fields = status.is_object() ? status.get_object() : status.emplace_object();
    auto& conditions = Edit::array_in(fields, "conditions");
    for (const auto type : kConditions) {
      const bool was_known = !status_of(node, type).empty();
      if (status_of(node, type) == "Unknown") {
        continue;
      }
      // Source: kube-controller-manager, node lifecycle: reasons and messages that kubectl describe
      // node shows.
      set_condition(conditions,
                    {.type = std::string(type),
                     .status = "Unknown",
                     .reason = was_known ? "NodeStatusUnknown" : "NodeStatusNeverUpdated",
                     .message = was_known ? "Kubelet stopped posting node status."
                                          : "Kubelet never posted node status."},
                    now);
    }
    if (same_meaning(node.root()["status"], status)) {
      return false;
    }
    auto change = update_of(node, with_status(node, std::move(status)), "status");
    change.when_done = note_about(node,
                                  Note::Type::normal,
                                  "NodeNotReady",
                                  "Node " + node.key.name + " status is now: NodeNotReady");
    plan->changes.push_back(std::move(change));
    return true;
  }

  /// Nobody reports for its Pods any more: they leave their services.
  static void mark_pods(const Question& asked, const Stored& node, Plan* plan) {
    for (const auto* pod : asked.seen.pods_on(node.key.name)) {
      if (!is_ready(views::PodView(pod->root()))) {
        continue;
      }
      auto status = object::to_tree(pod->root()["status"]);
      set_condition(Edit::array_in(status.as_object(), "conditions"),
                    {.type = "Ready",
                     .status = "False",
                     .reason = "NodeNotReady",
                     .message = "Node is not ready"},
                    asked.now);
      auto change = update_of(*pod, with_status(*pod, std::move(status)), "status");
      change.when_done = note_about(*pod, Note::Type::warning, "NodeNotReady", "Node is not ready");
      plan->changes.push_back(std::move(change));
    }
  }

  static void set_taints(const Stored& node, TimePoint now, Plan* plan) {
    auto wanted = wanted_taints(node);
    TreeArray taints;
    bool is_changed = false;
    for (const auto taint : node.root()["spec"]["taints"].elements()) {
      const std::pair id(std::string(taint["key"].string()), std::string(taint["effect"].string()));
      const bool is_of_disruption =
          is_outage(id.first) && id.second == kNoExecute && ready_status(node) != "True";
      if (is_state_taint(id.first) && !is_of_disruption && wanted.erase(id) == 0) {
        is_changed = true;
        continue;
      }
      taints.push_back(object::to_tree(taint));
    }
    for (const auto& [key, effect] : wanted) {
      taints.push_back(
          TreeObject{{"key", key}, {"effect", effect}, {"timeAdded", format_time(now)}});
      is_changed = true;
    }
    if (!is_changed) {
      return;
    }
    Edit edit(node);
    if (taints.empty()) {
      edit.spec().erase("taints");
    } else {
      edit.spec()["taints"] = std::move(taints);
    }
    plan->changes.push_back(update_of(node, edit.document()));
  }

  const seconds grace_;
  const seconds silence_;
};

}  // namespace

std::string_view ready_status(const Stored& node) {
  return status_of(node, "Ready");
}

std::unique_ptr<Controller> node_health_controller(seconds grace, seconds silence) {
  return std::make_unique<NodeHealth>(grace, silence);
}

}  // namespace tetrarch::reconcile
