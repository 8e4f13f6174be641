// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes documentation, "Taints and Tolerations", taint based evictions.
#include <algorithm>
#include <optional>

#include "reconcile/condition.h"
#include "reconcile/edit.h"
#include "reconcile/node_fit.h"
#include "reconcile/node_lifecycle.h"
#include "reconcile/node_taints.h"
#include "reconcile/pod_state.h"
#include "schema/views/core.h"

namespace tetrarch::reconcile {

namespace {

using std::chrono::seconds;

constexpr seconds kAllOut{5};

/// What a taint means for a Pod: stay, or go at a time.
struct Verdict {
  bool is_tolerated = false;
  std::optional<seconds> for_seconds;  // empty: for ever
};

Verdict judge(views::PodView pod, views::TaintView taint) {
  Verdict out;
  for (const auto toleration : pod.spec().tolerations()) {
    if (!tolerates(toleration, taint)) {
      continue;
    }
    out.is_tolerated = true;
    if (toleration.has_toleration_seconds()) {
      const seconds limit(std::max<std::int64_t>(0, toleration.toleration_seconds()));
      out.for_seconds = std::min(out.for_seconds.value_or(limit), limit);
    }
  }
  return out;
}

// Source: kube-controller-manager, taint eviction (1.31).
const Condition kDisruption{.type = "DisruptionTarget",
                            .status = "True",
                            .reason = "DeletionByTaintManager",
                            .message = "Taint manager: deleting due to NoExecute taint"};

bool is_told(views::PodView pod) {
  for (const auto condition : pod.status().conditions()) {
    if (condition.type() == kDisruption.type) {
      return condition.status() == kDisruption.status && condition.reason() == kDisruption.reason;
    }
  }
  return false;
}

/// The Pod with the condition that says why it goes, for whoever counts failures.
Change telling(const Stored& pod, TimePoint now) {
  auto status = object::to_tree(pod.root()["status"]);
  auto& fields = status.is_object() ? status.get_object() : status.emplace_object();
  set_condition(Edit::array_in(fields, "conditions"), kDisruption, now);
  return update_of(pod, with_status(pod, std::move(status)), "status");
}

bool evicts(const Stored& node) {
  for (const auto taint : views::NodeView(node.root()).spec().taints()) {
    if (taint.effect() == kNoExecute) {
      return true;
    }
  }
  return false;
}

class TaintEviction final : public Controller {
 public:
  explicit TaintEviction(seconds grace) : grace_(grace) {}

  std::string_view name() const override { return "taint-eviction"; }

  std::vector<Watching> watches() const override {
    return {{"nodes", own_key()},
            {"pods", [](const Mirror&, const Observed& change, std::vector<Key>& keys) {
               const auto node = change.any().root()["spec"]["nodeName"].string();
               if (!node.empty() && change.after != nullptr) {
                 keys.push_back(Key{"nodes", "", std::string(node)});
               }
             }}};
  }

  Plan reconcile(const Question& asked) const override {
    Plan plan;
    const auto* stored = asked.seen.get(asked.key);
    if (stored == nullptr || !evicts(*stored)) {
      return plan;  // asked at each change of a pod: a node that keeps its pods must cost nothing
    }
    for (const auto* pod : asked.seen.pods_on(stored->key.name)) {
      const auto end = is_active(*pod) ? end_of(asked, *pod, *stored) : std::nullopt;
      if (end && *end <= asked.now) {
        evict(asked, *pod, &plan);
      } else if (end) {
        plan.look_again_at(*end);
      }
    }
    return plan;
  }

 private:
  /// When the Pod has to go by the taints of its node; empty: it may stay.
  std::optional<TimePoint> end_of(const Question& asked,
                                  const Stored& pod,
                                  const Stored& node) const {
    std::optional<TimePoint> out;
    for (const auto taint : views::NodeView(node.root()).spec().taints()) {
      if (taint.effect() != kNoExecute) {
        continue;
      }
      const auto verdict = judge(views::PodView(pod.root()), taint);
      if (verdict.is_tolerated && !verdict.for_seconds) {
        continue;
      }
      auto since = parse_time(taint.time_added()).value_or(created_at(pod));
      since = std::max(since, created_at(pod));
      auto when = since + verdict.for_seconds.value_or(seconds(0));
      if (is_outage(taint.key())) {
        when = std::max(when, asked.seen.observing_since() + grace_);
        if (!any_node_ready(asked.seen)) {
          when = std::max(when, asked.now + kAllOut);  // more likely it is us
        }
      }
      out = std::min(out.value_or(when), when);
    }
    return out;
  }

  static void evict(const Question& asked, const Stored& pod, Plan* plan) {
    // It is told first, and removed when that is seen; one that cannot be told goes all the same.
    if (!is_told(views::PodView(pod.root())) && asked.last_failure.empty()) {
      plan->changes.push_back(telling(pod, asked.now));
      return;
    }
    auto removal = removal_of(pod);
    removal.when_done = note_about(pod,
                                   Note::Type::normal,
                                   "TaintManagerEviction",
                                   "Marking for deletion Pod " + pod.key.ns + "/" + pod.key.name);
    plan->changes.push_back(std::move(removal));
  }

  static bool any_node_ready(const Mirror& seen) {
    const auto nodes = seen.list("nodes");
    return std::any_of(nodes.begin(), nodes.end(), [](const Stored* node) {
      return ready_status(*node) == "True";
    });
  }

  const seconds grace_;
};

}  // namespace

std::unique_ptr<Controller> taint_eviction_controller(seconds grace) {
  return std::make_unique<TaintEviction>(grace);
}

}  // namespace tetrarch::reconcile
