// SPDX-License-Identifier: Apache-2.0
// The pod bridge and its addresses, by netlink, and the kernel switches that pods' traffic needs.
// Blocking.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace tetrarch::agent::network {

struct BridgeOptions {
  std::string name;                    ///< at most 15 characters
  std::vector<std::string> addresses;  ///< "10.42.0.1/24", "10.43.0.10/32"
};

/// Makes the bridge, or completes the one that is there; addresses that are not wanted any more are
/// taken off.
Status ensure_bridge(const BridgeOptions& options);
/// ip_forward, answers to loopback clients, and the packet filter for frames between two pods of
/// the bridge. What the machine had before is noted in `note` (once), for restore_switches.
Status ensure_switches(const std::string& bridge, const std::filesystem::path& note);
/// Puts back what ensure_switches noted, unless another bridge of ours is still there.
Status restore_switches(const std::filesystem::path& note);

}  // namespace tetrarch::agent::network
