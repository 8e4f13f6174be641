// SPDX-License-Identifier: Apache-2.0
#include "reconcile/replicaset.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "reconcile/child_name.h"
#include "reconcile/children.h"
#include "reconcile/condition.h"
#include "reconcile/edit.h"
#include "reconcile/pod_ranking.h"
#include "reconcile/pod_state.h"
#include "schema/views/apps.h"

namespace tetrarch::reconcile {

namespace {

using object::LabelSelector;
using object::TreeObject;

// Source: kube-controller-manager, replicaset BurstReplicas.
constexpr std::int64_t kBurst = 500;

/// What is different between the two kinds.
struct Flavour {
  std::string_view name;
  std::string_view resource;
  std::string_view kind;
  LabelSelector (*selector)(const Stored& set);
};

LabelSelector plain_selector(const Stored& set) {
  const auto labels = set.root()["spec"]["selector"];
  return labels.size() > 0 ? LabelSelector::from_map(labels) : LabelSelector::nothing();
}

constexpr Flavour kReplicaSet{"replicaset", "replicasets.apps", "ReplicaSet", &selector_of};
constexpr Flavour kReplicationController{
    "replication-controller", "replicationcontrollers", "ReplicationController", &plain_selector};

/// One reconcile of one set. A ReplicationController is read as the ReplicaSet that it looks like.
class Round {
 public:
  Round(const Question& asked, const Stored& stored, const Flavour& flavour)
      : asked_(asked), stored_(stored), flavour_(flavour), set_(stored.root()) {}

  Plan run() {
    const auto selector = flavour_.selector(stored_);
    if (selector.is_nothing()) {
      return {};  // validation refuses these; nothing to do for what is there anyway
    }
    pods_ = claim_children(asked_,
                           {.owner = stored_,
                            .resource = "pods",
                            .selector = selector,
                            .may_adopt = &may_adopt_active},
                           &plan_);
    std::erase_if(pods_, [](const Stored* pod) { return !is_active(*pod); });
    if (!is_terminating(stored_)) {
      scale();
    }
    report();
    return std::move(plan_);
  }

 private:
  void scale() {
    const auto have = static_cast<std::int64_t>(pods_.size());
    const auto want = set_.spec().replicas();
    if (have < want) {
      create(std::min(want - have, kBurst));
    } else if (have > want) {
      remove(static_cast<std::size_t>(have - want));
    }
  }

  void create(std::int64_t count) {
    // The finished and terminating too.
    auto slot = highest_slot(asked_.seen.controlled_by("pods", stored_.uid()));
    std::set<std::string> taken;
    while (count > 0) {
      ++slot;
      auto name = child_name(stored_.key.name, fmt::format("{}/{}", stored_.uid(), slot));
      if (asked_.seen.get("pods", stored_.key.ns, name) != nullptr || !taken.insert(name).second) {
        continue;
      }
      plan_.changes.push_back(creation(name, slot));
      --count;
    }
  }

  Change creation(const std::string& name, std::int64_t slot) const {
    auto pod = pod_from(stored_, set_.spec().template_());
    auto& metadata = Edit::object_in(pod, "metadata");
    metadata["name"] = name;
    Edit::object_in(metadata, "annotations")[kSlot] = fmt::format("{}", slot);
    return pod_creation(stored_, pod);
  }

  void remove(std::size_t count) {
    auto candidates = pods_;
    rank_for_deletion(candidates, related());
    for (std::size_t i = 0; i < std::min(count, static_cast<std::size_t>(kBurst)); ++i) {
      plan_.changes.push_back(pod_removal(stored_, *candidates[i]));
    }
  }

  /// The pods of every set that shares our owner.
  std::vector<const Stored*> related() const {
    const auto owner = controller_of(stored_);
    if (!owner) {
      return pods_;
    }
    std::vector<const Stored*> out;
    for (const auto* set : asked_.seen.controlled_by(flavour_.resource, owner.uid())) {
      const auto pods = asked_.seen.controlled_by("pods", set->uid());
      out.insert(out.end(), pods.begin(), pods.end());
    }
    return out;
  }

  void report() {
    auto status = object::to_tree(set_.status().view());
    auto& fields = status.is_object() ? status.get_object() : status.emplace_object();
    count(fields);
    note_failure(fields);
    fields["observedGeneration"] = stored_.metadata()["generation"].integer();
    report_status(stored_, std::move(status), &plan_);
  }

  void count(TreeObject& fields) {
    std::int64_t labelled = 0;
    std::int64_t ready = 0;
    std::int64_t available = 0;
    const auto labels = LabelSelector::from_map(set_.spec().template_().metadata().labels().view());
    for (const auto* stored : pods_) {
      const views::PodView pod(stored->root());
      labelled += labels.matches(pod.metadata().labels().view()) ? 1 : 0;
      const auto from = available_from(pod, set_.spec().min_ready_seconds());
      if (!from) {
        continue;
      }
      ++ready;
      if (*from <= asked_.now) {
        ++available;
      } else {
        plan_.look_again_at(*from);
      }
    }
    fields["replicas"] = pods_.size();
    set_count(fields, "fullyLabeledReplicas", labelled);
    set_count(fields, "readyReplicas", ready);
    set_count(fields, "availableReplicas", available);
  }

  void note_failure(TreeObject& fields) const {
    auto& conditions = Edit::array_in(fields, "conditions");
    const auto have = static_cast<std::int64_t>(pods_.size());
    if (asked_.last_failure.empty() || have == set_.spec().replicas()) {
      remove_condition(conditions, "ReplicaFailure");
    } else {
      set_condition(conditions,
                    {.type = "ReplicaFailure",
                     .status = "True",
                     .reason = have < set_.spec().replicas() ? "FailedCreate" : "FailedDelete",
                     .message = std::string(asked_.last_failure)},
                    asked_.now);
    }
    if (conditions.empty()) {
      fields.erase("conditions");
    }
  }

  const Question& asked_;
  const Stored& stored_;
  const Flavour& flavour_;
  const views::ReplicaSetView set_;
  std::vector<const Stored*> pods_;
  Plan plan_;
};

class ReplicaController final : public Controller {
 public:
  explicit ReplicaController(const Flavour& flavour) : flavour_(flavour) {}

  std::string_view name() const override { return flavour_.name; }

  std::vector<Watching> watches() const override {
    const std::string resource(flavour_.resource);
    return {{resource, own_key()},
            {"pods", keys_of_child(resource, std::string(flavour_.kind), flavour_.selector)}};
  }

  Plan reconcile(const Question& asked) const override {
    const auto* stored = asked.seen.get(asked.key);
    return stored == nullptr || stored->key.resource != flavour_.resource
               ? Plan{}
               : Round(asked, *stored, flavour_).run();
  }

 private:
  const Flavour& flavour_;
};

}  // namespace

std::unique_ptr<Controller> replicaset_controller() {
  return std::make_unique<ReplicaController>(kReplicaSet);
}

std::unique_ptr<Controller> replication_controller() {
  return std::make_unique<ReplicaController>(kReplicationController);
}

}  // namespace tetrarch::reconcile
