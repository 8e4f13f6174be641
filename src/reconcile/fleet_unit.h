// SPDX-License-Identifier: Apache-2.0
// Units of fleet: a Pod for each that is to be loaded, its place checked again when the world
// changes, and what fleet's clients ask of it in its status.
#pragma once

#include <memory>

#include "reconcile/controller.h"

namespace tetrarch::reconcile {

/// Unit -> Pods and the Unit's status.
std::unique_ptr<Controller> fleet_unit_controller();
/// Pods of units -> UnitStates.
std::unique_ptr<Controller> fleet_unit_state_controller();
/// Metadata of machines -> labels of Nodes.
std::unique_ptr<Controller> fleet_machine_controller();

}  // namespace tetrarch::reconcile
