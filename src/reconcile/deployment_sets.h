// SPDX-License-Identifier: Apache-2.0
// The ReplicaSets of a Deployment: which are its own, which has the present template, what revision
// each is, and the document of a new one. Part of the deployment controller.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reconcile/controller.h"
#include "reconcile/deployment_rollout.h"
#include "schema/views/apps.h"

namespace tetrarch::reconcile {

// Source: Kubernetes API reference, well-known annotations; kubectl rollout reads the first.
inline constexpr std::string_view kRevision = "deployment.kubernetes.io/revision";
inline constexpr std::string_view kRevisionHistory = "deployment.kubernetes.io/revision-history";
inline constexpr std::string_view kDesiredReplicas = "deployment.kubernetes.io/desired-replicas";
inline constexpr std::string_view kMaxReplicas = "deployment.kubernetes.io/max-replicas";
inline constexpr std::string_view kTemplateHash = "pod-template-hash";

/// One ReplicaSet of the Deployment and the pods it controls, counted.
struct DeploymentSet {
  const Stored* stored = nullptr;
  views::ReplicaSetView view;
  std::int64_t replicas = 0;  ///< spec.replicas
  std::int64_t active = 0;    ///< pods that are neither finished nor terminating
  std::int64_t ready = 0;
  std::int64_t available = 0;
  std::int64_t unfinished = 0;  ///< active or terminating
  std::int64_t revision = 0;
};

/// All of them, oldest first.
struct DeploymentSets {
  std::vector<DeploymentSet> all;
  std::optional<std::size_t> newest;        ///< with the Deployment's present template
  std::optional<TimePoint> next_available;  ///< when a ready pod becomes available

  const DeploymentSet* new_set() const { return newest ? &all[*newest] : nullptr; }

  bool is_old(std::size_t place) const { return newest != place; }
};

/// Adoption and release of sets by selector are added to `plan`; sets it adopts count at once.
DeploymentSets find_sets(const Question& asked, const Stored& deployment, Plan* plan);

RolloutState rollout_state(const Stored& deployment, const DeploymentSets& sets);

/// The name a set for the present template has: <deployment>-<hash of template and collision
/// count>.
std::string template_hash(views::DeploymentView deployment);
Change creation_of_set(const Stored& deployment, const DeploymentSets& sets, std::int64_t replicas);
/// Whether the set has the Deployment's template, whatever its hash label.
bool has_template_of(views::ReplicaSetView set, views::DeploymentView deployment);

/// The set as it should be: its size, and the annotations that follow from it and, for the new set,
/// from the Deployment. `sized_for` null: what sizes it was made for stays as it is noted, so that
/// a change of the Deployment's size is still seen. Empty: nothing to change.
std::optional<Change> change_of_set(const Stored& deployment,
                                    const DeploymentSets& sets,
                                    std::size_t place,
                                    std::int64_t replicas,
                                    const RolloutState* sized_for);
/// The revision that the new set has or gets.
std::int64_t newest_revision(const DeploymentSets& sets);

}  // namespace tetrarch::reconcile
