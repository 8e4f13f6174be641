// SPDX-License-Identifier: Apache-2.0
#include "reconcile/deployment.h"

#include <algorithm>

#include <fmt/format.h>

#include "reconcile/children.h"
#include "reconcile/deployment_rollout.h"
#include "reconcile/deployment_sets.h"
#include "reconcile/deployment_status.h"
#include "reconcile/edit.h"
#include "reconcile/pod_state.h"

namespace tetrarch::reconcile {

namespace {

constexpr std::string_view kResource = "deployments.apps";
constexpr std::string_view kSetResource = "replicasets.apps";

/// One reconcile of one Deployment: claims its sets, then takes one step, then tells.
class Round {
 public:
  Round(const Question& asked, const Stored& stored)
      : asked_(asked),
        stored_(stored),
        deployment_(stored.root()),
        sets_(find_sets(asked, stored, &plan_)),
        state_(rollout_state(stored, sets_)),
        collisions_(deployment_.status().collision_count()) {}

  Plan run() {
    if (!plan_.changes.empty()) {
      return std::move(plan_);  // claims first: the rest is planned on their outcome
    }
    bool is_rolling_out = false;
    if (!is_terminating(stored_)) {
      if (note_own_revision()) {
        return std::move(
            plan_);  // its own object has one revision to expect: the status comes next time
      }
      is_rolling_out = step();
    }
    report_deployment({.deployment = stored_,
                       .sets = sets_,
                       .state = state_,
                       .now = asked_.now,
                       .is_rolling_out = is_rolling_out,
                       .last_failure = asked_.last_failure,
                       .collisions = collisions_,
                       .created_set = created_},
                      &plan_);
    return std::move(plan_);
  }

 private:
  /// True where progress is judged: neither paused nor only being scaled.
  bool step() {
    if (deployment_.spec().paused() || is_scaling(state_)) {
      resize(scaled_sizes(state_));
      if (deployment_.spec().paused()) {
        clean_up();
      }
      return false;
    }
    if (!sets_.newest) {
      make_set();
      return true;
    }
    const auto sizes = next_sizes(state_);
    resize(sizes);
    if (is_complete()) {
      clean_up();
    }
    return true;
  }

  /// The Deployment carries the revision of its present template.
  bool note_own_revision() {
    if (!sets_.newest) {
      return false;
    }
    const auto revision = fmt::format("{}", newest_revision(sets_));
    if (stored_.metadata()["annotations"][kRevision].string() == revision) {
      return false;
    }
    Edit edit(stored_);
    Edit::object_in(edit.metadata(), "annotations")[kRevision] = revision;
    plan_.changes.push_back(update_of(stored_, edit.document()));
    if (const auto place = *sets_.newest; !is_terminating(*sets_.all[place].stored)) {
      change_set(place, sets_.all[place].replicas, nullptr);
    }
    return true;
  }

  void resize(const std::vector<std::int64_t>& sizes) {
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      if (!is_terminating(*sets_.all[i].stored)) {
        change_set(i, sizes[i], &state_);
      }
    }
  }

  void change_set(std::size_t place, std::int64_t size, const RolloutState* sized_for) {
    auto change = change_of_set(stored_, sets_, place, size, sized_for);
    if (change) {
      plan_.changes.push_back(std::move(*change));
    }
  }

  void make_set() {
    auto creation = creation_of_set(stored_, sets_, first_size(state_));
    const auto* other = asked_.seen.get(creation.key);
    if (other != nullptr) {
      const bool is_ours = controller_of(*other).uid() == stored_.uid();
      const bool is_same = has_template_of(views::ReplicaSetView(other->root()), deployment_);
      if (!is_ours || !is_same) {
        ++collisions_;  // another name next time
      }
      return;  // else it is ending, or was not adopted yet: it comes back here
    }
    if (state_.is_recreate) {
      resize(next_sizes(state_));
      if (state_.has_old_pods) {
        return;  // the new set is made when the old pods are gone
      }
    }
    created_ = creation.key.name;
    plan_.changes.push_back(std::move(creation));
  }

  bool is_complete() const {
    const auto* newest = sets_.new_set();
    return newest != nullptr && newest->available == state_.desired &&
           state_.total() == state_.desired && newest->replicas == state_.desired;
  }

  /// Deletes the oldest revisions beyond the history limit; one that is still of use stays, and no
  /// newer one goes in its place.
  void clean_up() {
    if (!deployment_.spec().has_revision_history_limit()) {
      return;
    }
    std::vector<const DeploymentSet*> old;
    for (std::size_t i = 0; i < sets_.all.size(); ++i) {
      if (sets_.is_old(i) && !is_terminating(*sets_.all[i].stored)) {
        old.push_back(&sets_.all[i]);
      }
    }
    std::stable_sort(old.begin(), old.end(), [](const auto* a, const auto* b) {
      return a->revision < b->revision;
    });
    const auto limit = static_cast<std::size_t>(
        std::max<std::int64_t>(0, deployment_.spec().revision_history_limit()));
    for (std::size_t i = 0; i + limit < old.size(); ++i) {
      if (old[i]->replicas == 0 && old[i]->unfinished == 0) {
        plan_.changes.push_back(removal_of(*old[i]->stored));
      }
    }
  }

  const Question& asked_;
  const Stored& stored_;
  const views::DeploymentView deployment_;
  Plan plan_;
  const DeploymentSets sets_;
  const RolloutState state_;
  std::int64_t collisions_;
  std::string created_;
};

/// A pod concerns the Deployment that controls its set.
void keys_of_pod(const Mirror& seen, const Observed& change, std::vector<Key>& keys) {
  const auto set = controller_of(change.any());
  if (set.kind() != "ReplicaSet") {
    return;
  }
  const auto* stored = seen.get(kSetResource, change.any().key.ns, set.name());
  if (stored == nullptr) {
    return;
  }
  const auto owner = controller_of(*stored);
  if (owner.kind() == "Deployment") {
    keys.push_back(Key{std::string(kResource), stored->key.ns, std::string(owner.name())});
  }
}

class DeploymentController final : public Controller {
 public:
  std::string_view name() const override { return "deployment"; }

  std::vector<Watching> watches() const override {
    return {{std::string(kResource), own_key()},
            {std::string(kSetResource),
             keys_of_child(std::string(kResource), "Deployment", &selector_of)},
            {"pods", keys_of_pod}};
  }

  Plan reconcile(const Question& asked) const override {
    const auto* stored = asked.seen.get(asked.key);
    return stored == nullptr ? Plan{} : Round(asked, *stored).run();
  }
};

}  // namespace

std::unique_ptr<Controller> deployment_controller() {
  return std::make_unique<DeploymentController>();
}

}  // namespace tetrarch::reconcile
