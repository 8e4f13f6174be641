// SPDX-License-Identifier: Apache-2.0
// Source: kube-controller-manager, pod garbage collector (1.31): what it deletes and how often it
// looks.
#include <algorithm>
#include <utility>
#include <vector>

#include "reconcile/condition.h"
#include "reconcile/edit.h"
#include "reconcile/node_taints.h"
#include "reconcile/pod_state.h"
#include "reconcile/sweeps.h"

namespace tetrarch::reconcile {

namespace {

using std::chrono::seconds;

constexpr seconds kEvery{20};
// Source: Kubernetes documentation, "Non-graceful node shutdown": set by a person who knows that
// the machine is off, so nobody is left to end its Pods.
constexpr std::string_view kOutOfService = "node.kubernetes.io/out-of-service";
const Key kAllPods{"pods", "", ""};

bool is_out_of_service(const Stored& node) {
  if (ready_status(node) == "True") {
    return false;
  }
  for (const auto taint : views::NodeView(node.root()).spec().taints()) {
    if (taint.key() == kOutOfService) {
      return true;
    }
  }
  return false;
}

// Source: kube-controller-manager, pod garbage collector (1.31).
const Condition kNodeGone{.type = "DisruptionTarget",
                          .status = "True",
                          .reason = "DeletionByPodGC",
                          .message = "PodGC: node no longer exists"};

/// Nobody is left who would say how it ended, and somebody may wait for that: a Job that replaces
/// only what has failed.
Change failing(const Stored& pod, const Condition* why, TimePoint now) {
  auto status = object::to_tree(pod.root()["status"]);
  auto& fields = status.is_object() ? status.get_object() : status.emplace_object();
  fields["phase"] = "Failed";
  if (why != nullptr) {
    set_condition(Edit::array_in(fields, "conditions"), *why, now);
  }
  return update_of(pod, with_status(pod, std::move(status)), "status");
}

/// A Pod that nothing holds is gone with its removal: nobody would read how it ended.
std::vector<Change> ending(const Stored& pod, const Condition* why, TimePoint now) {
  std::vector<Change> out;
  const bool is_held = pod.metadata()["finalizers"].size() > 0;
  if (is_held && !is_finished(views::PodView(pod.root()))) {
    out.push_back(failing(pod, why, now));
  }
  out.push_back(removal_of(pod));
  out.back().grace_seconds = 0;
  return out;
}

class PodSweep final : public Controller {
 public:
  PodSweep(std::size_t finished_most, seconds grace)
      : finished_most_(finished_most), grace_(grace) {}

  std::string_view name() const override { return "pod-sweep"; }

  std::vector<Watching> watches() const override {
    return {{"nodes", [](const Mirror&, const Observed& change, std::vector<Key>& keys) {
               if (change.after == nullptr) {
                 keys.push_back(kAllPods);
               }
             }}};
  }

  std::vector<Key> first_keys() const override { return {kAllPods}; }

  /// Most Pods run on nodes that are there: those are not looked at.
  Plan reconcile(const Question& asked) const override {
    Plan plan;
    plan.look_again_at(asked.now + kEvery);
    if (asked.now >= asked.seen.observing_since() + grace_) {
      end_lost(asked, &plan);
    }
    std::vector<const Stored*> finished;
    for (const auto* stored : asked.seen.ending_pods()) {
      const auto node = views::PodView(stored->root()).spec().node_name();
      if (node.empty()) {
        if (is_terminating(*stored)) {
          end(*stored, asked.now, &plan);
        }
        continue;
      }
      const auto* there = asked.seen.get("nodes", "", node);
      if (there == nullptr) {
        continue;  // with all others of that node
      }
      if (!is_terminating(*stored)) {
        finished.push_back(stored);
      } else if (is_out_of_service(*there)) {
        end(*stored, asked.now, &plan);
      }
    }
    end_oldest(finished, asked.now, &plan);
    return plan;
  }

 private:
  /// The Pods of nodes that are gone.
  static void end_lost(const Question& asked, Plan* plan) {
    for (const auto node : asked.seen.nodes_with_pods()) {
      if (asked.seen.get("nodes", "", node) != nullptr) {
        continue;
      }
      for (const auto* stored : asked.seen.pods_on(node)) {
        for (auto& change : ending(*stored, &kNodeGone, asked.now)) {
          change.confirm_absent.push_back({.key = Key{"nodes", "", std::string(node)}, .uid = ""});
          plan->changes.push_back(std::move(change));
        }
      }
    }
  }

  static void end(const Stored& pod, TimePoint now, Plan* plan) {
    for (auto& change : ending(pod, nullptr, now)) {
      plan->changes.push_back(std::move(change));
    }
  }

  void end_oldest(std::vector<const Stored*>& finished, TimePoint now, Plan* plan) const {
    if (finished.size() <= finished_most_) {
      return;
    }
    std::sort(finished.begin(), finished.end(), [](const Stored* a, const Stored* b) {
      return std::pair(created_at(*a), a->key) < std::pair(created_at(*b), b->key);
    });
    for (std::size_t i = 0; i < finished.size() - finished_most_; ++i) {
      end(*finished[i], now, plan);
    }
  }

  const std::size_t finished_most_;
  const seconds grace_;
};

}  // namespace

std::unique_ptr<Controller> pod_sweep_controller(std::size_t finished_most, seconds grace) {
  return std::make_unique<PodSweep>(finished_most, grace);
}

}  // namespace tetrarch::reconcile
