// SPDX-License-Identifier: Apache-2.0
// What becomes of pods when the machine is shut down: in which order they end, and how long each
// may take. Pure; carried out in shutdown_run.cc.
// Source: Kubernetes documentation, "Graceful node shutdown", by Pod priority; kubelet,
// nodeshutdown/nodeshutdown_manager.go.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tetrarch::agent {

/// Pods of this priority or more, up to the next entry's, may take so long.
struct ShutdownGrace {
  std::int64_t priority = 0;
  std::chrono::seconds grace{0};
  bool operator==(const ShutdownGrace&) const = default;
};

/// "0=20,2000000000=10", in any order; empty: none. Code::invalid says which part means nothing.
Result<std::vector<ShutdownGrace>> parse_shutdown_grace(std::string_view text);

/// All of them together: how long the machine is to wait for us.
std::chrono::seconds total_of(const std::vector<ShutdownGrace>& graces);

struct EndingPod {
  std::string uid;
  std::int64_t priority = 0;
};

/// Those that end together, after the groups before them.
struct EndingGroup {
  std::chrono::seconds grace{0};
  std::vector<std::string> pods;  ///< by uid
  bool operator==(const EndingGroup&) const = default;
};

/// Least important first. A pod below the lowest priority belongs to the lowest group; groups
/// without a pod are left out, and their time is nobody's.
std::vector<EndingGroup> ending_order(const std::vector<EndingPod>& pods,
                                      std::vector<ShutdownGrace> graces);

// Source: kubelet, nodeshutdown/nodeshutdown_manager.go.
inline constexpr std::string_view kShutdownReason = "Terminated";
inline constexpr std::string_view kShutdownMessage =
    "Pod was terminated in response to imminent node shutdown.";
inline constexpr std::string_view kNotAdmittedReason = "NodeShutdown";
inline constexpr std::string_view kNotAdmittedMessage =
    "Pod was rejected as the node is shutting down.";
inline constexpr std::string_view kNodeShutdownMessage = "node is shutting down";

}  // namespace tetrarch::agent
