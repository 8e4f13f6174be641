// SPDX-License-Identifier: Apache-2.0
// What the status of a Unit says. Part of the controller of units.
#pragma once

#include <vector>

#include "reconcile/controller.h"
#include "reconcile/fleet_unit_object.h"

namespace tetrarch::reconcile {

/// From the Pod that counts; null: there is none.
void report_unit(const FleetView& view, const FleetUnit& unit, const Stored* pod, Plan& plan);
/// From all of its Pods.
void report_global_unit(const FleetUnit& unit, const std::vector<const Stored*>& pods, Plan& plan);

}  // namespace tetrarch::reconcile
