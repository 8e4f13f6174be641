// SPDX-License-Identifier: Apache-2.0
// This machine as a Node object. Pure but for reading the machine once.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/agent.h"
#include "agent/grants.h"
#include "agent/pressure.h"
#include "agent/runtime/runtime.h"
#include "object/document.h"

namespace tetrarch::agent {

// What a Node's annotations say of its machine: that it runs the control plane, and that somebody
// wants it to leave (src/app/leave.h).
inline constexpr std::string_view kControlPlane = "node.tetrarch.dev/control-plane";
inline constexpr std::string_view kLeave = "node.tetrarch.dev/leave";
inline constexpr std::string_view kLeaveDrained = "drained";
inline constexpr std::string_view kLeaveForced = "forced";

struct Machine {
  std::int64_t cpus = 1;
  std::int64_t memory_bytes = 0;
  std::int64_t disk_bytes = 0;
  std::string architecture;  ///< "amd64", "arm64"
  std::string kernel;
  std::string os_image;
  std::string machine_id;
  std::string boot_id;
  std::string host_name;
  std::string address;
};

/// Blocking. `given_address` wins over the one of the default route.
Machine read_machine(const std::string& given_address, const std::string& data_directory);

/// Whether this node runs systemd units, and why not.
struct SystemdState {
  bool is_there = false;
  std::string message;
};

struct NodeState {
  std::string runtime_version;
  std::vector<runtime::Image> images = {};
  bool is_ready = false;
  std::string not_ready_reason = {};
  std::set<Pressure> pressures = {};
  std::vector<Threshold> thresholds = {};    ///< what is kept free is not for pods
  std::optional<SystemdState> systemd = {};  ///< absent: nothing is said of it
};

/// What is created when the server knows no such node.
std::string node_document(const Options& options, const Machine& machine);
/// What pods may have together.
Room allocatable_of(const Options& options,
                    const Machine& machine,
                    const std::vector<Threshold>& thresholds);
/// Canonical JSON of status; transition times are kept from `before` where nothing changed.
std::string node_status(const Options& options,
                        const Machine& machine,
                        const NodeState& state,
                        object::View before,
                        TimePoint now);
/// The object with another value of one member, given as canonical JSON.
DocumentPtr with_member(object::View object, std::string_view name, std::string_view json);
/// Whether a status says something new, apart from heartbeat times.
bool is_same_status(object::View a, object::View b);

}  // namespace tetrarch::agent
