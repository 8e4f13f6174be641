// SPDX-License-Identifier: Apache-2.0
#include "reconcile/deployment_sets.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "object/int_or_string.h"
#include "object/selector.h"
#include "reconcile/edit.h"
#include "reconcile/pod_state.h"
#include "reconcile/template_hash.h"

namespace tetrarch::reconcile {

namespace {

using object::Tree;
using object::TreeArray;
using object::TreeObject;

constexpr std::string_view kSetResource = "replicasets.apps";

// Source: Kubernetes pkg/controller/deployment/sync.go, maxRevHistoryLengthInChars (1.31).
constexpr std::size_t kHistoryMost = 2000;

/// Annotations of the Deployment that do not belong to a set.
// Source: Kubernetes pkg/controller/deployment/util, annotationsToSkip (1.31).
constexpr std::array<std::string_view, 6> kOwnAnnotations = {
    "kubectl.kubernetes.io/last-applied-configuration",
    kRevision,
    kRevisionHistory,
    kDesiredReplicas,
    kMaxReplicas,
    "deprecated.deployment.rollback.to"};

std::int64_t integer_annotation(object::View metadata,
                                std::string_view name,
                                std::int64_t otherwise) {
  const auto text = metadata["annotations"][name].string();
  std::int64_t value = otherwise;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

/// The template as a tree without the hash label: what two sets are compared by.
Tree bare_template(object::View source) {
  auto tree = object::to_tree(source);
  if (!tree.is_object()) {
    return TreeObject();
  }
  auto& metadata = Edit::object_in(tree.get_object(), "metadata");
  Edit::object_in(metadata, "labels").erase(kTemplateHash);
  metadata.erase("creationTimestamp");
  return tree;
}

void count_pods(const Question& asked,
                std::int64_t min_ready,
                DeploymentSet* set,
                DeploymentSets* sets) {
  for (const auto* stored : asked.seen.controlled_by("pods", set->stored->uid())) {
    const views::PodView pod(stored->root());
    if (is_finished(pod)) {
      continue;
    }
    ++set->unfinished;
    if (is_terminating(*stored)) {
      continue;
    }
    ++set->active;
    const auto from = available_from(pod, min_ready);
    set->ready += from ? 1 : 0;
    if (from && *from <= asked.now) {
      ++set->available;
    } else if (from) {
      sets->next_available = std::min(sets->next_available.value_or(*from), *from);
    }
  }
}

std::vector<const Stored*> claim(const Question& asked, const Stored& deployment, Plan* plan) {
  auto mine = asked.seen.controlled_by(kSetResource, deployment.uid());
  const auto selector = object::LabelSelector::from_object(deployment.root()["spec"]["selector"]);
  if (!selector || is_terminating(deployment)) {
    return mine;
  }
  std::erase_if(mine, [&](const Stored* set) {
    if (selector->matches(set->metadata()["labels"])) {
      return false;
    }
    if (!is_terminating(*set)) {
      plan->changes.push_back(update_of(*set, released(*set, deployment.uid())));
    }
    return true;
  });
  for (const auto* set : asked.seen.uncontrolled(kSetResource, deployment.key.ns)) {
    if (!is_terminating(*set) && selector->matches(set->metadata()["labels"])) {
      plan->changes.push_back(adoption_of(*set, deployment));
    }
  }
  return mine;
}

/// Annotations that every set carries so that a later scaling knows what it was sized for.
void write_sizes(TreeObject& annotations, const RolloutState& state) {
  annotations[kDesiredReplicas] = fmt::format("{}", state.desired);
  annotations[kMaxReplicas] = fmt::format("{}", state.desired + state.max_surge);
}

void copy_annotations(views::DeploymentView deployment, TreeObject& annotations) {
  for (const auto [name, value] : deployment.metadata().annotations()) {
    if (std::find(kOwnAnnotations.begin(), kOwnAnnotations.end(), name) == kOwnAnnotations.end()) {
      annotations[name] = value;
    }
  }
}

/// "1,3,7" and 9: "1,3,7,9"; the oldest are dropped where it gets too long.
std::string longer_history(std::string_view history, std::int64_t revision) {
  const auto last = fmt::format("{}", revision);
  while (!history.empty() && history.size() + 1 + last.size() > kHistoryMost) {
    const auto comma = history.find(',');
    history = comma == std::string_view::npos ? std::string_view() : history.substr(comma + 1);
  }
  return fmt::format("{}{}{}", history, history.empty() ? "" : ",", last);
}

void write_revision(const DeploymentSet& set, std::int64_t revision, TreeObject& annotations) {
  if (set.revision == revision) {
    return;
  }
  if (set.revision > 0) {
    annotations[kRevisionHistory] =
        longer_history(set.view.metadata().annotations().find(kRevisionHistory), set.revision);
  }
  annotations[kRevision] = fmt::format("{}", revision);
}

}  // namespace

bool has_template_of(views::ReplicaSetView set, views::DeploymentView deployment) {
  return same_meaning(bare_template(set.spec().template_().view()),
                      bare_template(deployment.spec().template_().view()));
}

std::string template_hash(views::DeploymentView deployment) {
  return hash_of_template(bare_template(deployment.spec().template_().view()),
                          deployment.status().collision_count());
}

DeploymentSets find_sets(const Question& asked, const Stored& deployment, Plan* plan) {
  const views::DeploymentView view(deployment.root());
  auto stored = claim(asked, deployment, plan);
  std::sort(stored.begin(), stored.end(), [](const Stored* a, const Stored* b) {
    return std::pair(created_at(*a), a->key.name) < std::pair(created_at(*b), b->key.name);
  });
  DeploymentSets sets;
  for (const auto* each : stored) {
    DeploymentSet set;
    set.stored = each;
    set.view = views::ReplicaSetView(each->root());
    set.replicas = set.view.spec().replicas();
    set.revision = integer_annotation(each->metadata(), kRevision, 0);
    count_pods(asked, view.spec().min_ready_seconds(), &set, &sets);
    if (!sets.newest && !is_terminating(*each) && has_template_of(set.view, view)) {
      sets.newest = sets.all.size();
    }
    sets.all.push_back(set);
  }
  return sets;
}

RolloutState rollout_state(const Stored& deployment, const DeploymentSets& sets) {
  const views::DeploymentSpecView spec(deployment.root()["spec"]);
  RolloutState state;
  state.desired = spec.replicas();
  state.is_recreate = spec.strategy().type() == "Recreate";
  state.newest = sets.newest;
  if (!state.is_recreate) {
    const auto update = spec.strategy().rolling_update();
    const auto surge =
        object::scaled_value(update.max_surge(), state.desired, object::Rounding::up);
    const auto unavailable =
        object::scaled_value(update.max_unavailable(), state.desired, object::Rounding::down);
    const auto bounds = resolve_bounds(surge.value_or(0), unavailable.value_or(0), state.desired);
    state.max_surge = bounds.surge;
    state.max_unavailable = bounds.unavailable;
  }
  for (std::size_t i = 0; i < sets.all.size(); ++i) {
    const auto& set = sets.all[i];
    state.sets.push_back(
        {.replicas = set.replicas,
         .available = std::min(set.available, set.replicas),
         .active = set.active,
         .max_before = integer_annotation(set.stored->metadata(), kMaxReplicas, 0),
         // One that ends is not scaled any more.
         .desired_before = is_terminating(*set.stored)
                               ? -1
                               : integer_annotation(set.stored->metadata(), kDesiredReplicas, -1)});
    state.has_old_pods = state.has_old_pods || (sets.is_old(i) && set.unfinished > 0);
  }
  return state;
}

std::int64_t newest_revision(const DeploymentSets& sets) {
  std::int64_t old_most = 0;
  for (std::size_t i = 0; i < sets.all.size(); ++i) {
    old_most = sets.is_old(i) ? std::max(old_most, sets.all[i].revision) : old_most;
  }
  const auto* newest = sets.new_set();
  return newest == nullptr ? old_most + 1 : std::max(newest->revision, old_most + 1);
}

Change creation_of_set(const Stored& deployment,
                       const DeploymentSets& sets,
                       std::int64_t replicas) {
  const views::DeploymentView view(deployment.root());
  const auto hash = template_hash(view);
  auto state = rollout_state(deployment, sets);
  const auto name = fmt::format("{}-{}", deployment.key.name, hash);

  auto source = object::to_tree(view.spec().template_().view());
  auto& labels = Edit::object_in(Edit::object_in(source.as_object(), "metadata"), "labels");
  labels[kTemplateHash] = hash;
  TreeObject annotations;
  copy_annotations(view, annotations);
  write_sizes(annotations, state);
  annotations[kRevision] = fmt::format("{}", newest_revision(sets));
  auto selector = object::to_tree(view.spec().selector().view());
  Edit::object_in(selector.as_object(), "matchLabels")[kTemplateHash] = hash;
  TreeObject spec{{"replicas", replicas}, {"selector", std::move(selector)}};
  if (view.spec().min_ready_seconds() > 0) {
    spec["minReadySeconds"] = view.spec().min_ready_seconds();
  }
  const TreeObject all_labels = labels;
  spec["template"] = std::move(source);
  const TreeObject set{
      {"kind", "ReplicaSet"},
      {"apiVersion", "apps/v1"},
      {"metadata",
       TreeObject{{"name", name},
                  {"namespace", deployment.key.ns},
                  {"labels", all_labels},
                  {"annotations", std::move(annotations)},
                  {"ownerReferences", TreeArray{controller_reference(deployment)}}}},
      {"spec", std::move(spec)}};
  Change change{.verb = Change::Verb::create,
                .key = Key{std::string(kSetResource), deployment.key.ns, name}};
  change.document = object::to_document(set);
  if (replicas > 0) {
    change.when_done =
        note_about(deployment,
                   Note::Type::normal,
                   "ScalingReplicaSet",
                   fmt::format("Scaled up replica set {} from 0 to {}", name, replicas));
  }
  change.when_failed = note_about(deployment,
                                  Note::Type::warning,
                                  "ReplicaSetCreateError",
                                  fmt::format("Failed to create new replica set \"{}\"", name));
  return change;
}

std::optional<Change> change_of_set(const Stored& deployment,
                                    const DeploymentSets& sets,
                                    std::size_t place,
                                    std::int64_t replicas,
                                    const RolloutState* sized_for) {
  const auto& set = sets.all[place];
  const views::DeploymentView view(deployment.root());
  Edit edit(*set.stored);
  auto& annotations = Edit::object_in(edit.metadata(), "annotations");
  if (!sets.is_old(place)) {
    copy_annotations(view, annotations);
    write_revision(set, newest_revision(sets), annotations);
    if (set.view.spec().min_ready_seconds() != view.spec().min_ready_seconds()) {
      edit.spec()["minReadySeconds"] = view.spec().min_ready_seconds();
    }
  }
  if (sized_for != nullptr && (!sets.is_old(place) || set.replicas > 0 || replicas > 0)) {
    write_sizes(annotations, *sized_for);
  }
  edit.spec()["replicas"] = replicas;
  auto document = edit.document();
  if (same_meaning(set.stored->root(), document->root())) {
    return std::nullopt;
  }
  auto change = update_of(*set.stored, std::move(document));
  if (replicas != set.replicas) {
    change.when_done = note_about(deployment,
                                  Note::Type::normal,
                                  "ScalingReplicaSet",
                                  fmt::format("Scaled {} replica set {} from {} to {}",
                                              replicas > set.replicas ? "up" : "down",
                                              set.stored->key.name,
                                              set.replicas,
                                              replicas));
  }
  return change;
}

}  // namespace tetrarch::reconcile
