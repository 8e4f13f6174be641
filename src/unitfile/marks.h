// SPDX-License-Identifier: Apache-2.0
// By what the objects of a cluster tell of units and machines: labels, annotations and a condition
// of Pods and Nodes. Agents, controllers and fleet's API agree on them here and nowhere else, but
// for the scheduler, which knows kMachineId as a topology key (src/schedule/pod_class.cc).
// Ours: docs/protocols/fleet.md says what they hold.
#pragma once

#include <string_view>

namespace tetrarch::unitfile::marks {

// On Nodes, by their agents.
inline constexpr std::string_view kHasSystemd = "fleet.tetrarch.dev/systemd";
inline constexpr std::string_view kMachineId = "fleet.tetrarch.dev/machine-id";
/// What its operator set, "k=v,k2=v2".
inline constexpr std::string_view kStaticMetadata = "fleet.tetrarch.dev/metadata";

// On Nodes, by the controller of machines.
/// Another one that is ready and older has the same machine ID; its name. The agent of this one
/// runs no units meanwhile.
inline constexpr std::string_view kSameMachineId = "fleet.tetrarch.dev/same-machine-id";
/// This and a key of the machine's metadata.
inline constexpr std::string_view kMetadataPrefix = "metadata.fleet.tetrarch.dev/";

// On Pods that run units.
/// Their runtime class.
inline constexpr std::string_view kUnitClass = "systemd";
inline constexpr std::string_view kUnitName = "systemd.tetrarch.dev/name";
inline constexpr std::string_view kUnitText = "systemd.tetrarch.dev/unit";
inline constexpr std::string_view kUnitRestarts = "systemd.tetrarch.dev/restarts";
/// A condition, by the agent: what systemd says.
inline constexpr std::string_view kUnitCondition = "systemd.tetrarch.dev/Unit";
/// Whether a Pod of any class is to run yet.
inline constexpr std::string_view kRunState = "tetrarch.dev/run-state";

// On Pods of fleet's units, by the controller of units.
inline constexpr std::string_view kUnitLabel = "fleet.tetrarch.dev/unit";
inline constexpr std::string_view kTemplateLabel = "fleet.tetrarch.dev/template";
/// This and the hash of a pattern of Conflicts=: the Pod's unit matches it.
inline constexpr std::string_view kPatternPrefix = "pattern.fleet.tetrarch.dev/";
/// What of the Pod decides where it may go; another one is another Pod.
inline constexpr std::string_view kPlacement = "fleet.tetrarch.dev/placement";
/// The node that the Pod takes from the unit that its own replaces.
inline constexpr std::string_view kTakesFrom = "fleet.tetrarch.dev/takes";

}  // namespace tetrarch::unitfile::marks
