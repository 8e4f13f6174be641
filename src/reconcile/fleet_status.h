// SPDX-License-Identifier: Apache-2.0
// What the status of a Unit says. Part of the controller of units.
#pragma once

#include <string_view>
#include <vector>

#include "reconcile/controller.h"
#include "reconcile/fleet_unit_object.h"

namespace tetrarch::reconcile {

/// From the Pod that counts; null: there is none. `failure`: why one that is wanted could not be
/// made.
void report_unit(const FleetView& view,
                 const FleetUnit& unit,
                 const Stored* pod,
                 std::string_view failure,
                 Plan& plan);
/// From all of its Pods.
void report_global_unit(const FleetUnit& unit, const std::vector<const Stored*>& pods, Plan& plan);

}  // namespace tetrarch::reconcile
