// SPDX-License-Identifier: Apache-2.0
// What units of fleet are known by on Pods and Nodes. Names of units and metadata are freer than
// labels: what is no legal label is written as a readable beginning and a hash.
#pragma once

#include <string>
#include <string_view>

#include "object/stored.h"
#include "unitfile/marks.h"

namespace tetrarch::reconcile {

inline constexpr std::string_view kFleetUnits = "units.fleet.tetrarch.dev";
inline constexpr std::string_view kFleetUnitStates = "unitstates.fleet.tetrarch.dev";
inline constexpr std::string_view kFleetMachines = "machines.fleet.tetrarch.dev";

// They stand in many lines of the controllers of fleet.
using namespace unitfile::marks;

/// A node that does not say of itself that it runs units, and of which nobody has said that it is
/// not to: its agent may only have lost its connection to systemd for a moment, while the units run
/// on. What it does not say is no evidence of anything.
bool is_silent_machine(const Stored& node);

/// The text as the value of a label.
std::string label_value_of(std::string_view text);
/// metadata.fleet.tetrarch.dev/<key>
std::string metadata_label(std::string_view key);
std::string pattern_label(std::string_view pattern);
/// The beginning of a Pod's name: foo-1-service.
std::string pod_prefix(std::string_view unit_name);

}  // namespace tetrarch::reconcile
