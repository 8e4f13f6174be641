// SPDX-License-Identifier: Apache-2.0
// Deployments: a new ReplicaSet per template, and the way from the old ones to it: rolling within
// maxSurge and maxUnavailable, or recreate; paused, scaled in proportion, rolled back by the
// client's change of the template. In four parts: deployment_sets (which sets there are),
// deployment_rollout (how large each should be: only numbers), deployment_status (what is told),
// and deployment (the order of steps).
#pragma once

#include <memory>

#include "reconcile/controller.h"

namespace tetrarch::reconcile {

std::unique_ptr<Controller> deployment_controller();

}  // namespace tetrarch::reconcile
