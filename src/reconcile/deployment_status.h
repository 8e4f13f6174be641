// SPDX-License-Identifier: Apache-2.0
// What a Deployment tells: counts, and the conditions Available, Progressing and ReplicaFailure
// that `kubectl rollout status`, `kubectl wait` and helm switch on. Part of the deployment
// controller.
#pragma once

#include <string>

#include "reconcile/controller.h"
#include "reconcile/deployment_sets.h"

namespace tetrarch::reconcile {

/// What the status says beyond what can be counted.
struct StatusInput {
  const Stored& deployment;
  const DeploymentSets& sets;
  const RolloutState& state;
  TimePoint now;
  bool is_rolling_out = true;          ///< false while paused or scaling: no verdict about progress
  std::string_view last_failure = {};  ///< why our last plan could not be carried out
  std::int64_t collisions = 0;
  std::string created_set = {};  ///< the set that this plan makes; empty: none
};

/// Adds a status change to the plan if it says something new, and when to look again for the
/// progress deadline.
void report_deployment(const StatusInput& in, Plan* plan);

}  // namespace tetrarch::reconcile
