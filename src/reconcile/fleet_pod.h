// SPDX-License-Identifier: Apache-2.0
// The Pod that places a unit of fleet on a machine, and what its agent reports of it. Heavy header
// (trees): for .cc files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "object/tree.h"
#include "reconcile/fleet_unit_object.h"

namespace tetrarch::reconcile {

// Ours: what a unit reserves that says nothing, so that it counts at all.
inline constexpr std::string_view kUnitCpu = "10m";
inline constexpr std::string_view kUnitMemory = "16Mi";
/// Ours: a unit runs elsewhere about 30 s after its machine was lost, as fleet's own.
inline constexpr int kUnitPatienceSeconds = 20;

/// Where a Pod may go.
struct UnitPlacement {
  std::string machine_id = {};  ///< empty: any
  std::string node = {};        ///< of a global unit, or of the unit that it replaces; empty: any
};

/// A Pod without a name. What decides where it may go is in its annotation kPlacement too.
object::TreeObject pod_of_unit(const FleetView& view,
                               const FleetUnit& unit,
                               const UnitPlacement& where);

/// The same Pod with the labels and annotations that `fresh` has; null: it has them.
DocumentPtr renewed_pod(const Stored& pod, const object::TreeObject& fresh);

/// What the condition kUnitCondition says.
struct UnitReport {
  std::string load;
  std::string active;
  std::string sub;
  std::string hash;
  bool is_launched = false;   ///< the agent has asked systemd to start it
  std::int64_t restarts = 0;  ///< of the last start
};

/// Nothing: the machine has not loaded it.
std::optional<UnitReport> report_of(const Stored& pod);
/// The unit that the Pod places.
std::string_view unit_of(const Stored& pod);
std::string_view node_of_pod(const Stored& pod);
/// The machine's ID; empty: the node is not known.
std::string_view machine_of(const Mirror& seen, std::string_view node);

}  // namespace tetrarch::reconcile
