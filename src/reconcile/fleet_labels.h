// SPDX-License-Identifier: Apache-2.0
// What units of fleet are known by on Pods and Nodes. Names of units and metadata are freer than
// labels: what is no legal label is written as a readable beginning and a hash.
#pragma once

#include <string>
#include <string_view>

namespace tetrarch::reconcile {

inline constexpr std::string_view kFleetUnits = "units.fleet.tetrarch.dev";
inline constexpr std::string_view kFleetUnitStates = "unitstates.fleet.tetrarch.dev";
inline constexpr std::string_view kFleetMachines = "machines.fleet.tetrarch.dev";

// On Nodes, by their agents.
inline constexpr std::string_view kHasSystemd = "fleet.tetrarch.dev/systemd";
inline constexpr std::string_view kMachineId = "fleet.tetrarch.dev/machine-id";
inline constexpr std::string_view kStaticMetadata = "fleet.tetrarch.dev/metadata";
/// On Nodes, by us: another one that is ready and older has the same machine ID; its name. The
/// agent of this one runs no units meanwhile.
inline constexpr std::string_view kSameMachineId = "fleet.tetrarch.dev/same-machine-id";
/// On Nodes, by us: this and a key of the machine's metadata.
inline constexpr std::string_view kMetadataPrefix = "metadata.fleet.tetrarch.dev/";

// On Pods of units.
inline constexpr std::string_view kUnitLabel = "fleet.tetrarch.dev/unit";
inline constexpr std::string_view kTemplateLabel = "fleet.tetrarch.dev/template";
/// This and the hash of a pattern of Conflicts=: the Pod's unit matches it.
inline constexpr std::string_view kPatternPrefix = "pattern.fleet.tetrarch.dev/";
inline constexpr std::string_view kUnitName = "systemd.tetrarch.dev/name";
inline constexpr std::string_view kUnitText = "systemd.tetrarch.dev/unit";
inline constexpr std::string_view kUnitRestarts = "systemd.tetrarch.dev/restarts";
inline constexpr std::string_view kRunState = "tetrarch.dev/run-state";
/// What of the Pod decides where it may go; another one is another Pod.
inline constexpr std::string_view kPlacement = "fleet.tetrarch.dev/placement";
/// The node that the Pod takes from the unit that its own replaces.
inline constexpr std::string_view kTakesFrom = "fleet.tetrarch.dev/takes";
inline constexpr std::string_view kUnitCondition = "systemd.tetrarch.dev/Unit";

/// The text as the value of a label.
std::string label_value_of(std::string_view text);
/// metadata.fleet.tetrarch.dev/<key>
std::string metadata_label(std::string_view key);
std::string pattern_label(std::string_view pattern);
/// The beginning of a Pod's name: foo-1-service.
std::string pod_prefix(std::string_view unit_name);

}  // namespace tetrarch::reconcile
