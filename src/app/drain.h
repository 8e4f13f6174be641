// SPDX-License-Identifier: Apache-2.0
// How work is kept away from a machine and moved off it, with progress on standard output: for
// `tetrarch node` and for a machine that leaves by itself.
#pragma once

#include <chrono>
#include <string>

#include "app/connect.h"
#include "base/result.h"

namespace tetrarch::app {

inline constexpr std::chrono::seconds kDrainTimeout{300};

/// Of a Node in the API.
std::string node_path(const std::string& node);
Status set_cordon(Connection& connection, const std::string& name, bool is_on);
/// Cordons the node and evicts its pods under their disruption budgets, until none is left but
/// those of DaemonSets and of the machine's own manifests. Code::timeout: some are; it stays
/// cordoned. A timeout of 0 is none.
Status drain(Connection& connection, const std::string& name, std::chrono::seconds timeout);

}  // namespace tetrarch::app
