// SPDX-License-Identifier: Apache-2.0
// Which units a change concerns: their own Pods and machines, and the units that they name or that
// name them. Nothing else is looked at: a change of one of 10,000 units wakes few others.
#pragma once

#include <vector>

#include "reconcile/controller.h"
#include "reconcile/fleet_unit_object.h"

namespace tetrarch::reconcile {

void keys_of_unit(const FleetView& view, const Observed& change, std::vector<Key>& keys);
void keys_of_unit_pod(const FleetView& view, const Observed& change, std::vector<Key>& keys);
void keys_of_unit_node(const FleetView& view, const Observed& change, std::vector<Key>& keys);

}  // namespace tetrarch::reconcile
