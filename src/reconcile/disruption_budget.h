// SPDX-License-Identifier: Apache-2.0
// PodDisruptionBudgets: how many of the Pods that one protects are healthy, how many must be, and
// so how many may be evicted now. The eviction itself is the registry's (registry/eviction.cc): it
// takes from status.disruptionsAllowed in the commit that ends the Pod.
#pragma once

#include <memory>

#include "reconcile/controller.h"

namespace tetrarch::reconcile {

std::unique_ptr<Controller> disruption_budget_controller();

}  // namespace tetrarch::reconcile
