// SPDX-License-Identifier: Apache-2.0
// Why a unit of fleet is not placed, machine by machine, and what would help: what fleet's users
// asked for most. Who may go where is the scheduler's, but for what a unit takes from another.
#pragma once

#include <string>

#include "reconcile/fleet_pod.h"
#include "reconcile/fleet_unit_object.h"

namespace tetrarch::reconcile {

/// Why the unit cannot stay on that node; empty: it can, or there is no positive sign that it
/// cannot. Section 6, step 2 of the reference.
std::string reason_to_leave(const FleetView& view, const FleetUnit& unit, const Stored& pod);

/// A sentence or two. `scheduler` is what the scheduler says of the Pod.
std::string why_unplaced(const FleetView& view, const FleetUnit& unit, std::string_view scheduler);

/// Where the unit may go by itself: not what it replaces.
UnitPlacement wanted_place(const Mirror& seen, const FleetUnit& unit);

/// Whether the machine is one that the unit could take from another: what it asks for comes before
/// Replaces=, or it would wait there for good, and the other be ended again and again.
bool may_take(const FleetView& view, const FleetUnit& unit, const Stored& node);

/// The full machine ID that a unit asks for by MachineID=, which may be its first 8 characters.
std::string full_machine_id(const Mirror& seen, std::string_view asked);

/// The Pod that a unit runs in or is to run in; null: it has none.
const Stored* live_pod_of(const Mirror& seen, const Stored& unit);

}  // namespace tetrarch::reconcile
