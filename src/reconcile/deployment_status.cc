// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes pkg/controller/deployment/progress.go, sync.go (calculateStatus) and util
// (1.31): reasons and messages, and when each is set.
#include "reconcile/deployment_status.h"

#include <limits>

#include <fmt/format.h>

#include "reconcile/condition.h"
#include "reconcile/edit.h"

namespace tetrarch::reconcile {

namespace {

using object::Tree;
using object::TreeArray;
using object::TreeObject;
using std::chrono::seconds;

constexpr std::string_view kProgressing = "Progressing";
constexpr std::string_view kNewAvailable = "NewReplicaSetAvailable";
constexpr std::string_view kDeadlineExceeded = "ProgressDeadlineExceeded";
constexpr std::string_view kPaused = "DeploymentPaused";
constexpr std::string_view kReplicaFailure = "ReplicaFailure";

struct Counts {
  std::int64_t wanted = 0;  // sum of spec.replicas
  std::int64_t replicas = 0;
  std::int64_t updated = 0;
  std::int64_t ready = 0;
  std::int64_t available = 0;
};

Counts count(const DeploymentSets& sets) {
  Counts out;
  for (const auto& set : sets.all) {
    out.wanted += set.replicas;
    out.replicas += set.active;
    out.ready += set.ready;
    out.available += set.available;
  }
  if (const auto* newest = sets.new_set()) {
    out.updated = newest->active;
  }
  return out;
}

/// One status, from what was told before to what is to be told now.
class Report {
 public:
  explicit Report(const StatusInput& in)
      : in_(in),
        deployment_(in.deployment.root()),
        before_(deployment_.status()),
        counts_(count(in.sets)),
        status_(object::to_tree(before_.view())) {
    if (!status_.is_object()) {
      status_.emplace_object();
    }
    conditions_ = Edit::array_in(status_.get_object(), "conditions");
  }

  void write(Plan* plan) {
    write_counts();
    note_availability();
    if (has_deadline()) {
      note_pause();
      if (in_.is_rolling_out) {
        note_progress();
      }
      watch_deadline(plan);
    } else {
      remove_condition(conditions_, kProgressing);
    }
    note_failure();
    if (in_.sets.next_available) {
      plan->look_again_at(*in_.sets.next_available);
    }
    status_.get_object()["conditions"] = conditions_;
    if (!same_meaning(before_.view(), status_)) {
      plan->changes.push_back(
          update_of(in_.deployment, with_status(in_.deployment, status_), "status"));
    }
  }

 private:
  bool has_deadline() const {
    const auto deadline = deployment_.spec().progress_deadline_seconds();
    return deployment_.spec().has_progress_deadline_seconds() &&
           deadline != std::numeric_limits<std::int32_t>::max();
  }

  void write_counts() {
    auto& fields = status_.get_object();
    fields["observedGeneration"] = in_.deployment.metadata()["generation"].integer();
    const auto set = [&fields](std::string_view name, std::int64_t value) {
      if (value > 0) {
        fields[name] = value;
      } else {
        fields.erase(name);
      }
    };
    set("replicas", counts_.replicas);
    set("updatedReplicas", counts_.updated);
    set("readyReplicas", counts_.ready);
    set("availableReplicas", counts_.available);
    set("unavailableReplicas", counts_.wanted - counts_.available);
    set("collisionCount", in_.collisions);
  }

  void note_availability() {
    const bool is_enough = counts_.available >= in_.state.desired - in_.state.max_unavailable;
    set_updated_condition(
        conditions_,
        is_enough ? Condition{.type = "Available",
                              .status = "True",
                              .reason = "MinimumReplicasAvailable",
                              .message = "Deployment has minimum availability."}
                  : Condition{.type = "Available",
                              .status = "False",
                              .reason = "MinimumReplicasUnavailable",
                              .message = "Deployment does not have minimum availability."},
        in_.now);
  }

  void note_pause() {
    if (has_condition(conditions_, kProgressing, kDeadlineExceeded)) {
      return;
    }
    const bool was_paused = has_condition(conditions_, kProgressing, kPaused);
    if (deployment_.spec().paused() && !was_paused) {
      set("Unknown", kPaused, "Deployment is paused");
    } else if (!deployment_.spec().paused() && was_paused) {
      set("Unknown", "DeploymentResumed", "Deployment is resumed");
    }
  }

  void set(std::string_view status, std::string_view reason, std::string message) {
    set_updated_condition(conditions_,
                          {.type = std::string(kProgressing),
                           .status = std::string(status),
                           .reason = std::string(reason),
                           .message = std::move(message)},
                          in_.now);
  }

  std::string subject() const {
    const auto* newest = in_.sets.new_set();
    return newest == nullptr ? fmt::format("Deployment \"{}\"", in_.deployment.key.name)
                             : fmt::format("ReplicaSet \"{}\"", newest->stored->key.name);
  }

  bool is_complete() const {
    return counts_.updated == in_.state.desired && counts_.replicas == in_.state.desired &&
           counts_.available == in_.state.desired;
  }

  bool is_progressing() const {
    const auto old_now = counts_.replicas - counts_.updated;
    const auto old_before = before_.replicas() - before_.updated_replicas();
    return counts_.updated > before_.updated_replicas() || old_now < old_before ||
           counts_.ready > before_.ready_replicas() ||
           counts_.available > before_.available_replicas();
  }

  void note_progress() {
    const bool was_complete = has_condition(conditions_, kProgressing, kNewAvailable);
    if (!in_.created_set.empty() && !in_.last_failure.empty()) {
      set("False",
          "ReplicaSetCreateError",
          fmt::format(
              "Failed to create new replica set \"{}\": {}", in_.created_set, in_.last_failure));
      return;
    }
    if (!in_.created_set.empty()) {
      begin("NewReplicaSetCreated", fmt::format("Created new replica set \"{}\"", in_.created_set));
      return;
    }
    if (was_complete && counts_.replicas == counts_.updated) {
      return;  // a finished rollout stays finished, whatever its pods do later
    }
    if (is_complete()) {
      set("True", kNewAvailable, subject() + " has successfully progressed.");
    } else if (is_progressing()) {
      refresh("ReplicaSetUpdated", subject() + " is progressing.");
    } else if (find_condition(conditions_, kProgressing) == nullptr || was_complete) {
      if (const auto* newest = in_.sets.new_set()) {
        begin("FoundNewReplicaSet",
              fmt::format("Found new replica set \"{}\"", newest->stored->key.name));
      }
    } else if (is_late()) {
      set("False", kDeadlineExceeded, subject() + " has timed out progressing.");
    }
  }

  /// The first word about a rollout; its deadline counts from now.
  void begin(std::string_view reason, std::string message) {
    remove_condition(conditions_, kProgressing);
    set("True", reason, std::move(message));
  }

  /// Progress moves lastUpdateTime, from which the deadline counts.
  void refresh(std::string_view reason, std::string message) {
    set("True", reason, message);
    for (auto& each : conditions_) {
      auto& fields = each.as_object();
      if (fields.at("type").as_string() == kProgressing) {
        fields["lastUpdateTime"] = format_time(in_.now);
        fields["message"] = message;
      }
    }
  }

  TimePoint deadline() const {
    const auto* condition = find_condition(conditions_, kProgressing);
    const auto* updated = condition == nullptr ? nullptr : condition->if_contains("lastUpdateTime");
    if (updated == nullptr || !updated->is_string()) {
      return in_.now;
    }
    const auto since = parse_time(updated->get_string()).value_or(in_.now);
    return since + seconds(deployment_.spec().progress_deadline_seconds());
  }

  bool is_late() const { return deadline() <= in_.now; }

  void watch_deadline(Plan* plan) const {
    const bool is_settled = has_condition(conditions_, kProgressing, kNewAvailable) ||
                            has_condition(conditions_, kProgressing, kDeadlineExceeded);
    if (!is_settled && !deployment_.spec().paused() &&
        find_condition(conditions_, kProgressing) != nullptr) {
      plan->look_again_at(std::max(deadline(), in_.now + seconds(1)));
    }
  }

  /// What the new set says about pods that it may not make or end; else what another says.
  void note_failure() {
    views::ReplicaSetConditionView found;
    for (std::size_t i = 0; i < in_.sets.all.size(); ++i) {
      for (const auto condition : in_.sets.all[i].view.status().conditions()) {
        if (condition.type() == kReplicaFailure && (!found || !in_.sets.is_old(i))) {
          found = condition;
        }
      }
    }
    if (!found) {
      remove_condition(conditions_, kReplicaFailure);
      return;
    }
    set_updated_condition(conditions_,
                          {.type = std::string(kReplicaFailure),
                           .status = std::string(found.status()),
                           .reason = std::string(found.reason()),
                           .message = std::string(found.message())},
                          in_.now);
  }

  const StatusInput& in_;
  const views::DeploymentView deployment_;
  const views::DeploymentStatusView before_;
  const Counts counts_;
  Tree status_;
  TreeArray conditions_;
};

}  // namespace

void report_deployment(const StatusInput& in, Plan* plan) {
  Report(in).write(plan);
}

}  // namespace tetrarch::reconcile
