// SPDX-License-Identifier: Apache-2.0
#include "reconcile/daemonset.h"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "reconcile/child_name.h"
#include "reconcile/children.h"
#include "reconcile/daemonset_nodes.h"
#include "reconcile/edit.h"
#include "reconcile/node_fit.h"
#include "reconcile/pod_state.h"
#include "reconcile/template_history.h"

namespace tetrarch::reconcile {

namespace {

using object::TreeArray;
using object::TreeObject;
using std::chrono::seconds;

constexpr std::string_view kResource = "daemonsets.apps";
// Source: kube-controller-manager, daemon set controller BurstReplicas and FailedPodsBackoff
// (1.31).
constexpr std::size_t kBurst = 250;
constexpr seconds kFirstPause{1};
constexpr seconds kLongestPause{15 * 60};
// Source: Kubernetes API reference, well-known labels and annotations.
constexpr std::string_view kTemplateGeneration = "deprecated.daemonset.template.generation";
constexpr std::string_view kPodTemplateGeneration = "pod-template-generation";
// Ours: how many pods in a row have failed on the node, this one's forerunners.
constexpr std::string_view kFailures = "tetrarch.dev/failures";

struct ToleratedTaint {
  std::string_view key;
  std::string_view effect;
};

// Source: Kubernetes documentation, "DaemonSet", taints and tolerations.
constexpr std::array<ToleratedTaint, 6> kTolerated = {{
    {"node.kubernetes.io/not-ready", "NoExecute"},
    {"node.kubernetes.io/unreachable", "NoExecute"},
    {"node.kubernetes.io/disk-pressure", "NoSchedule"},
    {"node.kubernetes.io/memory-pressure", "NoSchedule"},
    {"node.kubernetes.io/pid-pressure", "NoSchedule"},
    {"node.kubernetes.io/unschedulable", "NoSchedule"},
}};
constexpr ToleratedTaint kToleratedOnHostNetwork = {"node.kubernetes.io/network-unavailable",
                                                    "NoSchedule"};

void add_toleration(TreeArray& tolerations, const ToleratedTaint& taint) {
  const TreeObject wanted{{"effect", taint.effect}, {"key", taint.key}, {"operator", "Exists"}};
  const auto same = [&](const object::Tree& each) { return same_meaning(each, wanted); };
  if (std::none_of(tolerations.begin(), tolerations.end(), same)) {
    tolerations.emplace_back(wanted);
  }
}

void add_tolerations(TreeObject& spec) {
  auto& tolerations = Edit::array_in(spec, "tolerations");
  for (const auto& each : kTolerated) {
    add_toleration(tolerations, each);
  }
  const auto* host_network = spec.if_contains("hostNetwork");
  if (host_network != nullptr && host_network->is_bool() && host_network->get_bool()) {
    add_toleration(tolerations, kToleratedOnHostNetwork);
  }
}

/// The scheduler may place it there and nowhere else. Other terms were for choosing the node.
void pin_to(TreeObject& spec, std::string_view node) {
  auto& affinity = Edit::object_in(Edit::object_in(spec, "affinity"), "nodeAffinity");
  const TreeObject field{{"key", "metadata.name"}, {"operator", "In"}, {"values", TreeArray{node}}};
  affinity["requiredDuringSchedulingIgnoredDuringExecution"] =
      TreeObject{{"nodeSelectorTerms", TreeArray{TreeObject{{"matchFields", TreeArray{field}}}}}};
}

/// One reconcile of one DaemonSet.
class Round {
 public:
  Round(const Question& asked, const Stored& stored)
      : asked_(asked),
        stored_(stored),
        set_(stored.root()),
        collisions_(set_.status().collision_count()) {
    auto source = pod_from(stored, set_.spec().template_());
    add_tolerations(Edit::object_in(source, "spec"));
    source_ = object::to_document(source);
  }

  Plan run() {
    const auto selector = selector_of(stored_);
    if (selector.is_nothing() || is_terminating(stored_)) {
      return {};
    }
    const auto history = find_history(asked_, stored_, selector, &plan_);
    const auto mine = claim_children(asked_,
                                     {.owner = stored_,
                                      .resource = "pods",
                                      .selector = selector,
                                      .may_adopt = &may_adopt_living},
                                     &plan_);
    nodes_ = daemon_nodes(asked_, views::PodSpecView(source_->root()["spec"]), mine);
    const bool is_recording =
        record_template(asked_, stored_, history, {kRevisionHash}, &collisions_, &plan_);
    pods_ = {.min_ready_seconds = set_.spec().min_ready_seconds(), .now = asked_.now};
    if (history.present != nullptr) {
      pods_.hash = history.present->metadata()["labels"][kRevisionHash].string();
    }
    if (!is_recording && history.present != nullptr) {
      care();
      trim_history(stored_, history, living_revisions(mine), &plan_);
    }
    report();
    return std::move(plan_);
  }

 private:
  /// Pods as they should be; then, where nothing is left to do, a step of the update.
  void care() {
    const auto before = plan_.changes.size();
    const auto bounds = daemon_bounds(set_.spec(), nodes_);  // counts all nodes
    for (const auto& node : nodes_) {
      care_for(node, bounds);
    }
    const bool is_busy = plan_.changes.size() > before;
    if (!is_busy && set_.spec().update_strategy().type() == "RollingUpdate") {
      const auto step = daemon_step(nodes_, pods_, bounds);
      for (const auto* pod : step.removed) {
        remove(*pod);
      }
      for (const auto* node : step.created) {
        create(*node, 0);
      }
    }
  }

  void care_for(const DaemonNode& node, DaemonBounds bounds) {
    if (node.may_stay) {
      for (const auto* pod : node.pods) {
        replace_finished(node, *pod);
      }
      for (const auto* pod : daemon_surplus(node, pods_, bounds.surge > 0)) {
        remove(*pod);
      }
    } else {
      for (const auto* pod : node.pods) {
        // What was placed on a node that is gone is for the sweep of pods to end.
        const bool is_placed = !pod->root()["spec"]["nodeName"].string().empty();
        if (!is_terminating(*pod) && (node.is_there || !is_placed)) {
          remove(*pod);
        }
      }
    }
    if (node.should_run && node.pods.empty()) {
      create(node, 0);
    }
  }

  /// A pod that is over makes way for another one, after a pause that doubles from one to the next.
  void replace_finished(const DaemonNode& node, const Stored& pod) {
    if (is_terminating(pod) || !is_finished(views::PodView(pod.root()))) {
      return;
    }
    const bool has_failed = pod.root()["status"]["phase"].string() == "Failed";
    const auto ended = asked_.seen.seen_at(pod.key);
    const bool lasted = ended - created_at(pod) > 2 * kLongestPause;
    const auto failures =
        lasted ? 0 : number_in(pod.metadata()["annotations"][kFailures].string(), 0);
    const auto pause = std::min(
        kLongestPause, kFirstPause * (std::int64_t{1} << std::min<std::int64_t>(failures, 10)));
    if (has_failed && failures > 0 && ended + pause > asked_.now) {
      plan_.look_again_at(ended + pause);
      return;
    }
    plan_.notes.push_back(
        note_about(stored_,
                   has_failed ? Note::Type::warning : Note::Type::normal,
                   has_failed ? "FailedDaemonPod" : "SucceededDaemonPod",
                   fmt::format("Found {} daemon pod {}/{} on node {}, will try to {} it",
                               has_failed ? "failed" : "succeeded",
                               pod.key.ns,
                               pod.key.name,
                               node.name,
                               has_failed ? "kill" : "delete")));
    remove(pod);
    if (node.should_run && node.pods.size() == 1) {
      create(node, failures + 1);
    }
  }

  /// Its name follows from the node and from how many were made for it before: who plans on a
  /// stale view plans the same name again.
  void create(const DaemonNode& node, std::int64_t failures) {
    // After a refusal one attempt is enough to learn whether it still stands.
    if (created_ >= (asked_.last_failure.empty() ? kBurst : 1)) {
      return;
    }
    ++created_;
    auto slot = highest_slot(node.pods);
    std::string name;
    do {
      ++slot;
      name = child_name(stored_.key.name, fmt::format("{}/{}/{}", stored_.uid(), node.name, slot));
    } while (asked_.seen.get("pods", stored_.key.ns, name) != nullptr ||
             !names_.insert(name).second);
    auto pod = pod_for(node.name, slot);
    auto& metadata = Edit::object_in(pod, "metadata");
    metadata["name"] = name;
    if (failures > 0) {
      Edit::object_in(metadata, "annotations")[kFailures] = fmt::format("{}", failures);
    }
    plan_.changes.push_back(pod_creation(stored_, pod));
  }

  TreeObject pod_for(std::string_view node, std::int64_t slot) const {
    auto pod = object::to_tree(source_->root()).as_object();
    auto& metadata = Edit::object_in(pod, "metadata");
    auto& labels = Edit::object_in(metadata, "labels");
    labels[kRevisionHash] = pods_.hash;
    if (const auto generation = stored_.metadata()["annotations"][kTemplateGeneration]) {
      labels[kPodTemplateGeneration] = generation.string();
    }
    Edit::object_in(metadata, "annotations")[kSlot] = fmt::format("{}", slot);
    pin_to(Edit::object_in(pod, "spec"), node);
    return pod;
  }

  void remove(const Stored& pod) {
    if (removed_ < kBurst) {
      ++removed_;
      plan_.changes.push_back(pod_removal(stored_, pod));
    }
  }

  std::set<std::string, std::less<>> living_revisions(
      const std::vector<const Stored*>& mine) const {
    std::set<std::string, std::less<>> out;
    for (const auto* pod : mine) {
      out.insert(fmt::format(
          "{}-{}", stored_.key.name, pod->metadata()["labels"][kRevisionHash].string()));
    }
    return out;
  }

  void report() {
    std::int64_t desired = 0;
    std::int64_t current = 0;
    std::int64_t misplaced = 0;
    std::int64_t ready = 0;
    std::int64_t available = 0;
    std::int64_t updated = 0;
    for (const auto& node : nodes_) {
      desired += node.should_run ? 1 : 0;
      misplaced += node.is_there && !node.should_run && !node.pods.empty() ? 1 : 0;
      if (!node.should_run || node.pods.empty()) {
        continue;
      }
      ++current;
      const auto& pod = *node.pods.front();
      updated += pods_.is_new(pod) ? 1 : 0;
      const auto from = available_from(views::PodView(pod.root()), set_.spec().min_ready_seconds());
      ready += from ? 1 : 0;
      available += from && *from <= asked_.now ? 1 : 0;
      look_again_for(node);
    }
    auto status = object::to_tree(set_.status().view());
    auto& fields = status.is_object() ? status.get_object() : status.emplace_object();
    fields["currentNumberScheduled"] = current;
    fields["desiredNumberScheduled"] = desired;
    fields["numberMisscheduled"] = misplaced;
    fields["numberReady"] = ready;
    set_count(fields, "numberAvailable", available);
    set_count(fields, "numberUnavailable", desired - available);
    set_count(fields, "updatedNumberScheduled", updated);
    set_count(fields, "collisionCount", collisions_);
    fields["observedGeneration"] = stored_.metadata()["generation"].integer();
    report_status(stored_, std::move(status), &plan_);
  }

  /// When a pod that is ready will have been so for long enough.
  void look_again_for(const DaemonNode& node) {
    for (const auto* pod : node.pods) {
      const auto from =
          available_from(views::PodView(pod->root()), set_.spec().min_ready_seconds());
      if (from && *from > asked_.now) {
        plan_.look_again_at(*from);
      }
    }
  }

  const Question& asked_;
  const Stored& stored_;
  const views::DaemonSetView set_;
  std::int64_t collisions_;
  DocumentPtr source_;  ///< a pod without a name and a node
  Plan plan_;
  std::vector<DaemonNode> nodes_;
  DaemonPods pods_;
  std::size_t created_ = 0;
  std::size_t removed_ = 0;
  std::set<std::string> names_;
};

/// Whether a change of a node can matter for where pods belong: heartbeats do not.
bool moves_pods(const Observed& change) {
  if (change.before == nullptr || change.after == nullptr) {
    return true;
  }
  const auto before = change.before->root();
  const auto after = change.after->root();
  return !after["metadata"]["labels"].same_as(before["metadata"]["labels"]) ||
         !after["spec"].same_as(before["spec"]);
}

void keys_of_node(const Mirror& seen, const Observed& change, std::vector<Key>& keys) {
  if (moves_pods(change)) {
    for (const auto* set : seen.list(kResource)) {
      keys.push_back(set->key);
    }
  }
}

class DaemonSetController final : public Controller {
 public:
  std::string_view name() const override { return "daemonset"; }

  std::vector<Watching> watches() const override {
    const std::string resource(kResource);
    return {{resource, own_key()},
            {"pods", keys_of_child(resource, "DaemonSet", &selector_of)},
            {"controllerrevisions.apps", keys_of_child(resource, "DaemonSet", &selector_of)},
            {"nodes", keys_of_node}};
  }

  Plan reconcile(const Question& asked) const override {
    const auto* stored = asked.seen.get(asked.key);
    return stored == nullptr || stored->key.resource != kResource ? Plan{}
                                                                  : Round(asked, *stored).run();
  }
};

}  // namespace

std::unique_ptr<Controller> daemonset_controller() {
  return std::make_unique<DaemonSetController>();
}

}  // namespace tetrarch::reconcile
