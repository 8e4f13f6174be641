// SPDX-License-Identifier: Apache-2.0
#include "reconcile/statefulset.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "reconcile/children.h"
#include "reconcile/edit.h"
#include "reconcile/pod_state.h"
#include "reconcile/stateful_pods.h"
#include "reconcile/template_history.h"

namespace tetrarch::reconcile {

namespace {

using object::TreeObject;

constexpr std::string_view kResource = "statefulsets.apps";
// Source: Kubernetes API reference, well-known labels.
constexpr std::string_view kPodName = "statefulset.kubernetes.io/pod-name";
constexpr std::string_view kPodIndex = "apps.kubernetes.io/pod-index";

/// Only what bears one of the set's names is the set's.
bool may_adopt(const Stored& pod, const Stored& set) {
  return !is_terminating(pod) && ordinal_of(pod.key.name, set.key.name);
}

/// One reconcile of one StatefulSet.
class Round {
 public:
  Round(const Question& asked, const Stored& stored)
      : asked_(asked),
        stored_(stored),
        set_(stored.root()),
        collisions_(set_.status().collision_count()),
        rules_(stateful_rules(set_.spec(), asked.now)) {}

  Plan run() {
    const auto selector = selector_of(stored_);
    if (selector.is_nothing() || is_terminating(stored_)) {
      return {};
    }
    const auto history = find_history(asked_, stored_, selector, &plan_);
    mine_ = claim_children(
        asked_,
        {.owner = stored_, .resource = "pods", .selector = selector, .may_adopt = &may_adopt},
        &plan_);
    const bool is_recording =
        record_template(asked_, stored_, history, {kRevisionHashOfStateful}, &collisions_, &plan_);
    if (history.present == nullptr) {
      report_collision();
      return std::move(plan_);
    }
    newest_ = history.present;
    rules_.new_revision = newest_->key.name;
    current_ = history.named(set_.status().current_revision());
    current_ = current_ == nullptr ? newest_ : current_;
    const auto pods = stateful_pods(stored_, mine_);
    // The status names the current revision before pods of a new one are made: else which is which
    // would be forgotten.
    if (!is_recording && set_.status().update_revision() == newest_->key.name) {
      carry_out(stateful_step(pods, rules_), pods);
      trim_history(stored_, history, living_revisions(), &plan_);
    }
    repair_identities();
    report();
    return std::move(plan_);
  }

 private:
  void carry_out(const StatefulStep& step, const StatefulPods& pods) {
    std::size_t most = asked_.last_failure.empty() ? kStatefulBurst : 1;
    for (const auto& slot : step.created) {
      if (most-- == 0) {
        break;
      }
      create(slot, pods.first);
    }
    for (const auto* pod : step.removed) {
      remove(*pod);
    }
  }

  /// Numbers below the partition are made from the template that was last whole.
  void create(const StatefulSlot& slot, std::int64_t first) {
    const bool is_held_back = rules_.updates && slot.ordinal < first + rules_.partition;
    const auto& revision = is_held_back ? *current_ : *newest_;
    const auto name = fmt::format("{}-{}", stored_.key.name, slot.ordinal);
    auto pod = pod_from(stored_, views::PodTemplateSpecView(template_of_revision(revision)));
    auto& metadata = Edit::object_in(pod, "metadata");
    metadata["name"] = name;
    identify(metadata, name, slot.ordinal);
    Edit::object_in(metadata, "labels")[kRevisionHash] = revision.key.name;
    auto& spec = Edit::object_in(pod, "spec");
    spec["hostname"] = name;
    if (!set_.spec().service_name().empty()) {
      spec["subdomain"] = set_.spec().service_name();
    }
    auto change = pod_creation(stored_, pod);
    change.when_done->message =
        fmt::format("create Pod {} in StatefulSet {} successful", name, stored_.key.name);
    change.when_failed->message =
        fmt::format("create Pod {} in StatefulSet {} failed error", name, stored_.key.name);
    plan_.changes.push_back(std::move(change));
  }

  static void identify(TreeObject& metadata, std::string_view name, std::int64_t ordinal) {
    auto& labels = Edit::object_in(metadata, "labels");
    labels[kPodName] = name;
    labels[kPodIndex] = fmt::format("{}", ordinal);
  }

  void remove(const Stored& pod) {
    const auto& name = pod.key.name;
    const auto phase = pod.root()["status"]["phase"].string();
    if (phase == "Failed" || phase == "Succeeded") {
      plan_.notes.push_back(
          note_about(stored_,
                     phase == "Failed" ? Note::Type::warning : Note::Type::normal,
                     phase == "Failed" ? "RecreatingFailedPod" : "RecreatingTerminatedPod",
                     fmt::format("StatefulSet {}/{} is recreating {} Pod {}",
                                 stored_.key.ns,
                                 stored_.key.name,
                                 phase == "Failed" ? "failed" : "terminated",
                                 name)));
    }
    auto change = pod_removal(stored_, pod);
    change.when_done->message =
        fmt::format("delete Pod {} in StatefulSet {} successful", name, stored_.key.name);
    change.when_failed->message =
        fmt::format("delete Pod {} in StatefulSet {} failed error", name, stored_.key.name);
    plan_.changes.push_back(std::move(change));
  }

  /// Pods that were adopted, or whose labels somebody took away, get them back.
  void repair_identities() {
    for (const auto* pod : mine_) {
      const auto ordinal = ordinal_of(pod->key.name, stored_.key.name);
      if (!ordinal || is_terminating(*pod) || !controller_of(*pod)) {
        continue;
      }
      Edit edit(*pod);
      identify(edit.metadata(), pod->key.name, *ordinal);
      if (auto document = edit.document(); !same_meaning(pod->root(), document->root())) {
        plan_.changes.push_back(update_of(*pod, std::move(document)));
      }
    }
  }

  std::set<std::string, std::less<>> living_revisions() const {
    std::set<std::string, std::less<>> out{current_->key.name, newest_->key.name};
    for (const auto* pod : mine_) {
      out.emplace(pod->metadata()["labels"][kRevisionHash].string());
    }
    return out;
  }

  struct Counts {
    std::int64_t all = 0;
    std::int64_t ready = 0;
    std::int64_t available = 0;
    std::int64_t current = 0;
    std::int64_t updated = 0;
  };

  Counts count() {
    Counts out;
    for (const auto* pod : mine_) {
      const auto from = available_from(views::PodView(pod->root()), rules_.min_ready_seconds);
      const auto revision = pod->metadata()["labels"][kRevisionHash].string();
      ++out.all;
      out.ready += from ? 1 : 0;
      out.available += from && *from <= asked_.now ? 1 : 0;
      out.current += !is_terminating(*pod) && revision == current_->key.name ? 1 : 0;
      out.updated += !is_terminating(*pod) && revision == newest_->key.name ? 1 : 0;
      if (from && *from > asked_.now) {
        plan_.look_again_at(*from);
      }
    }
    return out;
  }

  void report_collision() {
    auto status = object::to_tree(set_.status().view());
    auto& fields = status.is_object() ? status.get_object() : status.emplace_object();
    set_count(fields, "collisionCount", collisions_);
    report_status(stored_, std::move(status), &plan_);
  }

  void report() {
    auto counts = count();
    const auto wanted = set_.spec().replicas();
    const bool is_whole = rules_.updates && counts.updated == wanted && counts.ready == wanted &&
                          counts.all == wanted;
    if (is_whole) {
      current_ = newest_;
      counts.current = counts.updated;
    }
    auto status = object::to_tree(set_.status().view());
    auto& fields = status.is_object() ? status.get_object() : status.emplace_object();
    fields["replicas"] = counts.all;
    set_count(fields, "readyReplicas", counts.ready);
    fields["availableReplicas"] = counts.available;
    set_count(fields, "currentReplicas", counts.current);
    set_count(fields, "updatedReplicas", counts.updated);
    fields["currentRevision"] = current_->key.name;
    fields["updateRevision"] = newest_->key.name;
    fields["collisionCount"] = collisions_;
    fields["observedGeneration"] = stored_.metadata()["generation"].integer();
    report_status(stored_, std::move(status), &plan_);
  }

  const Question& asked_;
  const Stored& stored_;
  const views::StatefulSetView set_;
  std::int64_t collisions_;
  StatefulRules rules_;
  Plan plan_;
  std::vector<const Stored*> mine_;
  const Stored* newest_ = nullptr;   ///< the revision with the present template
  const Stored* current_ = nullptr;  ///< the one that the set was last whole with
};

class StatefulSetController final : public Controller {
 public:
  std::string_view name() const override { return "statefulset"; }

  std::vector<Watching> watches() const override {
    const std::string resource(kResource);
    return {{resource, own_key()},
            {"pods", keys_of_child(resource, "StatefulSet", &selector_of)},
            {"controllerrevisions.apps", keys_of_child(resource, "StatefulSet", &selector_of)}};
  }

  Plan reconcile(const Question& asked) const override {
    const auto* stored = asked.seen.get(asked.key);
    return stored == nullptr || stored->key.resource != kResource ? Plan{}
                                                                  : Round(asked, *stored).run();
  }
};

}  // namespace

std::unique_ptr<Controller> statefulset_controller() {
  return std::make_unique<StatefulSetController>();
}

}  // namespace tetrarch::reconcile
