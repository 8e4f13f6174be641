// SPDX-License-Identifier: Apache-2.0
#include "reconcile/replicaset.h"

#include <algorithm>
#include <charconv>
#include <set>

#include <fmt/format.h>

#include "object/selector.h"
#include "reconcile/child_name.h"
#include "reconcile/condition.h"
#include "reconcile/edit.h"
#include "reconcile/pod_ranking.h"
#include "reconcile/pod_state.h"
#include "schema/views/apps.h"

namespace tetrarch::reconcile {

namespace {

using object::Tree;
using object::TreeArray;
using object::TreeObject;

constexpr std::string_view kResource = "replicasets.apps";
// Ours: the slot a pod was made for; the next one made gets a higher slot, hence another name.
constexpr std::string_view kSlot = "tetrarch.dev/slot";
// Source: kube-controller-manager, replicaset BurstReplicas.
constexpr std::int64_t kBurst = 500;

std::int64_t slot_of(const Stored& pod) {
  const auto text = pod.metadata()["annotations"][kSlot].string();
  std::int64_t slot = -1;
  std::from_chars(text.data(), text.data() + text.size(), slot);
  return slot;
}

/// One reconcile of one ReplicaSet.
class Round {
 public:
  Round(const Question& asked, const Stored& stored)
      : asked_(asked),
        stored_(stored),
        set_(stored.root()),
        pods_(asked.seen.controlled_by("pods", stored.uid())) {}

  Plan run() {
    auto selector = object::LabelSelector::from_object(set_.spec().selector().view());
    if (!selector || selector->is_everything() || selector->is_nothing()) {
      return {};  // validation refuses these; nothing to do for what is there anyway
    }
    if (!is_terminating(stored_)) {
      release(*selector);
      adopt(*selector);
      std::erase_if(pods_, [](const Stored* pod) { return !is_active(*pod); });
      scale();
    } else {
      std::erase_if(pods_, [](const Stored* pod) { return !is_active(*pod); });
    }
    report();
    return std::move(plan_);
  }

 private:
  void release(const object::LabelSelector& selector) {
    std::erase_if(pods_, [&](const Stored* pod) {
      if (selector.matches(pod->metadata()["labels"])) {
        return false;
      }
      if (!is_terminating(*pod)) {
        plan_.changes.push_back(update_of(*pod, released(*pod, stored_.uid())));
      }
      return true;
    });
  }

  void adopt(const object::LabelSelector& selector) {
    for (const auto* pod : asked_.seen.uncontrolled("pods", stored_.key.ns)) {
      if (is_active(*pod) && selector.matches(pod->metadata()["labels"])) {
        plan_.changes.push_back(adoption_of(*pod, stored_));
        pods_.push_back(pod);
      }
    }
  }

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
    std::int64_t slot = -1;
    for (const auto* pod :
         asked_.seen.controlled_by("pods", stored_.uid())) {  // the finished and terminating too
      slot = std::max(slot, slot_of(*pod));
    }
    std::set<std::string> taken;
    while (count > 0) {
      ++slot;
      auto name = child_name(stored_.key.name, fmt::format("{}/{}", stored_.uid(), slot));
      if (asked_.seen.get("pods", stored_.key.ns, name) != nullptr || !taken.insert(name).second) {
        continue;
      }
      plan_.changes.push_back(creation(std::move(name), slot));
      --count;
    }
  }

  Change creation(std::string name, std::int64_t slot) const {
    const auto source = set_.spec().template_();
    TreeObject metadata{
        {"name", name}, {"generateName", stored_.key.name + "-"}, {"namespace", stored_.key.ns}};
    for (const auto member : {"labels", "annotations", "finalizers"}) {
      if (const auto value = source.metadata().view()[member]) {
        metadata[member] = object::to_tree(value);
      }
    }
    Edit::object_in(metadata, "annotations")[kSlot] = fmt::format("{}", slot);
    metadata["ownerReferences"] = TreeArray{controller_reference(stored_)};
    const TreeObject pod{{"kind", "Pod"},
                         {"apiVersion", "v1"},
                         {"metadata", std::move(metadata)},
                         {"spec", object::to_tree(source.spec().view())}};
    Change change{.verb = Change::Verb::create, .key = Key{"pods", stored_.key.ns, name}};
    change.document = object::to_document(pod);
    change.when_done =
        note_about(stored_, Note::Type::normal, "SuccessfulCreate", "Created pod: " + name);
    change.when_failed = note_about(stored_, Note::Type::warning, "FailedCreate", "Error creating");
    return change;
  }

  void remove(std::size_t count) {
    auto candidates = pods_;
    rank_for_deletion(candidates, related());
    for (std::size_t i = 0; i < std::min(count, static_cast<std::size_t>(kBurst)); ++i) {
      auto change = removal_of(*candidates[i]);
      const auto& name = candidates[i]->key.name;
      change.when_done =
          note_about(stored_, Note::Type::normal, "SuccessfulDelete", "Deleted pod: " + name);
      change.when_failed =
          note_about(stored_, Note::Type::warning, "FailedDelete", "Error deleting");
      plan_.changes.push_back(std::move(change));
    }
  }

  /// The pods of every set that shares our owner.
  std::vector<const Stored*> related() const {
    const auto owner = controller_of(stored_);
    if (!owner) {
      return pods_;
    }
    std::vector<const Stored*> out;
    for (const auto* set : asked_.seen.controlled_by(kResource, owner.uid())) {
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
    if (!same_meaning(set_.status().view(), status)) {
      plan_.changes.push_back(
          update_of(stored_, with_status(stored_, std::move(status)), "status"));
    }
  }

  void count(TreeObject& fields) {
    std::int64_t labelled = 0;
    std::int64_t ready = 0;
    std::int64_t available = 0;
    const auto labels =
        object::LabelSelector::from_map(set_.spec().template_().metadata().labels().view());
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
    for (const auto& [name, value] : {std::pair("fullyLabeledReplicas", labelled),
                                      std::pair("readyReplicas", ready),
                                      std::pair("availableReplicas", available)}) {
      if (value == 0) {
        fields.erase(name);
      } else {
        fields[name] = value;
      }
    }
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
  const views::ReplicaSetView set_;
  std::vector<const Stored*> pods_;
  Plan plan_;
};

/// A pod without a controller may be what a set waits for.
void keys_of_pod(const Mirror& seen, const Observed& change, std::vector<Key>& keys) {
  key_of_controller(std::string(kResource), "ReplicaSet")(seen, change, keys);
  if (change.after == nullptr || controller_of(*change.after)) {
    return;
  }
  for (const auto* set : seen.list(kResource, change.after->key.ns)) {
    const auto selector = object::LabelSelector::from_object(set->root()["spec"]["selector"]);
    if (selector && selector->matches(change.after->metadata()["labels"])) {
      keys.push_back(set->key);
    }
  }
}

class ReplicaSetController final : public Controller {
 public:
  std::string_view name() const override { return "replicaset"; }

  std::vector<Watching> watches() const override {
    return {{std::string(kResource), own_key()}, {"pods", keys_of_pod}};
  }

  Plan reconcile(const Question& asked) const override {
    const auto* stored = asked.seen.get(asked.key);
    return stored == nullptr ? Plan{} : Round(asked, *stored).run();
  }
};

}  // namespace

std::unique_ptr<Controller> replicaset_controller() {
  return std::make_unique<ReplicaSetController>();
}

}  // namespace tetrarch::reconcile
