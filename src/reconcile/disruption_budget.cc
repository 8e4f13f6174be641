// SPDX-License-Identifier: Apache-2.0
// Source: kube-controller-manager, disruption controller (1.35): what counts as healthy and as
// expected, how long an eviction is waited for, and the reasons of the condition.
#include "reconcile/disruption_budget.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "object/int_or_string.h"
#include "object/selector.h"
#include "reconcile/condition.h"
#include "reconcile/edit.h"
#include "reconcile/pod_state.h"
#include "schema/views/policy.h"

namespace tetrarch::reconcile {

namespace {

using object::TreeObject;
using std::chrono::seconds;

constexpr std::string_view kResource = "poddisruptionbudgets.policy";
constexpr std::string_view kReplicaSets = "replicasets.apps";
constexpr std::string_view kDeployments = "deployments.apps";
constexpr std::string_view kCondition = "DisruptionAllowed";
/// An eviction that was allowed and did not end its Pod is forgotten after this.
constexpr seconds kDeletionTimeout{120};

Result<object::LabelSelector> selector_of(const Stored& budget) {
  return object::LabelSelector::from_object(budget.root()["spec"]["selector"]);
}

/// What sets the scale of a Pod's set: its controller, or the Deployment above that. Null: not
/// seen.
const Stored* scaled_owner(const Mirror& seen, const Stored& pod) {
  const auto owner = controller_of(pod);
  const auto* found = owner ? seen.by_uid(owner.uid()) : nullptr;
  if (found == nullptr || found->key.resource != kReplicaSets) {
    return found;
  }
  const auto above = controller_of(*found);
  const auto* deployment = above ? seen.by_uid(above.uid()) : nullptr;
  return deployment != nullptr && deployment->key.resource == kDeployments ? deployment : found;
}

/// Pods wanted by all controllers of these Pods.
struct Scale {
  std::int64_t expected = 0;
  std::vector<std::string> unmanaged = {};  ///< Pods that nothing controls: they do not count
};

Result<Scale> scale_of(const Mirror& seen, const std::vector<const Stored*>& pods) {
  Scale out;
  std::map<std::string, std::int64_t> by_uid;
  for (const auto* pod : pods) {
    if (!controller_of(*pod)) {
      out.unmanaged.push_back(pod->key.name);
      continue;
    }
    const auto* owner = scaled_owner(seen, *pod);
    if (owner == nullptr) {
      return Error{Code::not_found,
                   fmt::format("found no controllers for pod \"{}\"", pod->key.name)};
    }
    const auto replicas = owner->root()["spec"]["replicas"];
    if (!replicas) {
      return Error{Code::invalid,
                   owner->key.resource + " does not implement the scale subresource"};
    }
    by_uid[std::string(owner->uid())] = replicas.integer();
  }
  for (const auto& [uid, replicas] : by_uid) {
    out.expected += replicas;
  }
  return out;
}

/// One look at one budget.
class Round {
 public:
  Round(const Question& asked, const Stored& stored)
      : asked_(asked), stored_(stored), budget_(stored.root()) {}

  Plan run() {
    if (is_terminating(stored_)) {
      return {};
    }
    find_pods();
    if (pods_.empty()) {
      note(Note::Type::normal, "NoPods", "No matching pods found");
    }
    if (const auto status = count_wanted(); !status.ok()) {
      fail(status.error().message);
      return std::move(plan_);
    }
    keep_disrupted();
    count_healthy();
    report();
    return std::move(plan_);
  }

 private:
  void find_pods() {
    const auto selector = selector_of(stored_);
    if (!selector.ok()) {
      return;  // validation refuses it
    }
    for (const auto* pod : asked_.seen.list("pods", stored_.key.ns)) {
      if (selector->matches(pod->metadata()["labels"])) {
        pods_.push_back(pod);
      }
    }
  }

  Status count_wanted() {
    const auto least = budget_.spec().min_available();
    const auto most_missing = budget_.spec().max_unavailable();
    if (!most_missing && !least.is_string()) {
      expected_ = static_cast<std::int64_t>(pods_.size());
      desired_ = least.integer();
      return ok();
    }
    TRY(const auto scale, scale_of(asked_.seen, pods_));
    warn_of_unmanaged(scale);
    expected_ = scale.expected;
    if (most_missing) {
      TRY(const auto missing, object::scaled_value(most_missing, expected_, object::Rounding::up));
      desired_ = std::max<std::int64_t>(expected_ - missing, 0);
    } else {
      TRY(desired_, object::scaled_value(least, expected_, object::Rounding::up));
    }
    return ok();
  }

  void warn_of_unmanaged(const Scale& scale) {
    if (!scale.unmanaged.empty()) {
      note(Note::Type::warning,
           "UnmanagedPods",
           "Pods selected by this PodDisruptionBudget are not managed by a controller and are not "
           "counted: set .spec.minAvailable to an integer to count them");
    }
  }

  /// Of the evictions that were allowed: those whose Pods are still to be seen ending.
  void keep_disrupted() {
    const auto before = budget_.status().disrupted_pods().view();
    for (const auto* pod : pods_) {
      const auto since = parse_time(before[pod->key.name].string());
      if (!since.ok() || is_terminating(*pod)) {
        continue;
      }
      const auto end = *since + kDeletionTimeout;
      if (end < asked_.now) {
        plan_.notes.push_back(
            note_about(*pod,
                       Note::Type::warning,
                       "NotDeleted",
                       fmt::format("Pod was expected by PDB {}/{} to be deleted but it wasn't",
                                   stored_.key.ns,
                                   stored_.key.name)));
        continue;
      }
      disrupted_[pod->key.name] = before[pod->key.name].string();
      plan_.look_again_at(end + seconds(1));
    }
  }

  void count_healthy() {
    for (const auto* pod : pods_) {
      const bool is_healthy = !is_terminating(*pod) && !disrupted_.contains(pod->key.name) &&
                              is_ready(views::PodView(pod->root()));
      healthy_ += is_healthy ? 1 : 0;
    }
  }

  void report() {
    // With nothing expected nothing is allowed: the first Pods may be there before they are seen.
    const auto allowed = expected_ > 0 ? std::max<std::int64_t>(healthy_ - desired_, 0) : 0;
    auto status = object::to_tree(budget_.status().view());
    auto& fields = status.is_object() ? status.get_object() : status.emplace_object();
    fields["currentHealthy"] = healthy_;
    fields["desiredHealthy"] = desired_;
    fields["expectedPods"] = expected_;
    fields["observedGeneration"] = stored_.metadata()["generation"].integer();
    if (disrupted_.empty()) {
      fields.erase("disruptedPods");
    } else {
      fields["disruptedPods"] = disrupted_;
    }
    write(std::move(status), allowed, allowed > 0 ? "SufficientPods" : "InsufficientPods", "");
  }

  /// What cannot be worked out allows nothing.
  void fail(const std::string& why) {
    note(Note::Type::warning,
         "CalculateExpectedPodCountFailed",
         "Failed to calculate the number of expected pods: " + why);
    auto status = object::to_tree(budget_.status().view());
    if (!status.is_object()) {
      status.emplace_object();
    }
    write(std::move(status), 0, "SyncFailed", why);
  }

  void write(object::Tree status,
             std::int64_t allowed,
             std::string reason,
             const std::string& message) {
    auto& fields = status.get_object();
    fields["disruptionsAllowed"] = allowed;
    // Before the reference below: a new member moves the others.
    const object::Tree generation = fields["observedGeneration"];
    auto& conditions = Edit::array_in(fields, "conditions");
    set_condition(conditions,
                  {.type = std::string(kCondition),
                   .status = allowed > 0 ? "True" : "False",
                   .reason = std::move(reason),
                   .message = message},
                  asked_.now);
    complete(conditions, generation);
    if (!same_meaning(budget_.status().view(), status)) {
      plan_.changes.push_back(
          update_of(stored_, with_status(stored_, std::move(status)), "status"));
    }
  }

  /// A metav1.Condition has a message even where it says nothing, and a generation.
  static void complete(object::TreeArray& conditions, const object::Tree& generation) {
    for (auto& each : conditions) {
      auto& condition = each.as_object();
      if (condition["type"].as_string() == kCondition) {
        condition.insert(TreeObject::value_type("message", ""));
        condition["observedGeneration"] = generation;
      }
    }
  }

  void note(Note::Type type, std::string_view reason, std::string message) {
    plan_.notes.push_back(note_about(stored_, type, reason, std::move(message)));
  }

  const Question& asked_;
  const Stored& stored_;
  const views::PodDisruptionBudgetView budget_;
  std::vector<const Stored*> pods_ = {};
  std::int64_t expected_ = 0;
  std::int64_t desired_ = 0;
  std::int64_t healthy_ = 0;
  TreeObject disrupted_ = {};
  Plan plan_ = {};
};

/// Budgets that protect the Pod, before or after the change.
void keys_of_pod(const Mirror& seen, const Observed& change, std::vector<Key>& keys) {
  for (const auto* budget : seen.list(kResource, change.any().key.ns)) {
    const auto selector = selector_of(*budget);
    const auto selects = [&](const Stored* pod) {
      return pod != nullptr && selector->matches(pod->metadata()["labels"]);
    };
    if (selector.ok() && (selects(change.before) || selects(change.after))) {
      keys.push_back(budget->key);
    }
  }
}

/// A set that is scaled changes what is expected of its Pods.
void keys_of_set(const Mirror& seen, const Observed& change, std::vector<Key>& keys) {
  const auto replicas = [](const Stored* set) {
    return set == nullptr ? -1 : set->root()["spec"]["replicas"].integer();
  };
  if (replicas(change.before) == replicas(change.after)) {
    return;
  }
  for (const auto* budget : seen.list(kResource, change.any().key.ns)) {
    keys.push_back(budget->key);
  }
}

class DisruptionBudgetController final : public Controller {
 public:
  std::string_view name() const override { return "disruption-budget"; }

  std::vector<Watching> watches() const override {
    return {{std::string(kResource), own_key()},
            {"pods", keys_of_pod},
            {std::string(kReplicaSets), keys_of_set},
            {std::string(kDeployments), keys_of_set},
            {"statefulsets.apps", keys_of_set},
            {"replicationcontrollers", keys_of_set}};
  }

  Plan reconcile(const Question& asked) const override {
    const auto* stored = asked.seen.get(asked.key);
    return stored == nullptr ? Plan{} : Round(asked, *stored).run();
  }
};

}  // namespace

std::unique_ptr<Controller> disruption_budget_controller() {
  return std::make_unique<DisruptionBudgetController>();
}

}  // namespace tetrarch::reconcile
