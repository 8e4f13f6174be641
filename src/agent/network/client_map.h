// SPDX-License-Identifier: Apache-2.0
// Reads the clients that the kernel keeps in a table's map. Not through libnftables: it takes
// twenty times as long, and a change of a service waits for it. Blocking.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/network/affinity.h"
#include "base/result.h"

namespace tetrarch::agent::network {

/// Empty where there is no such table or map.
Result<std::vector<StickyClient>> read_clients(const std::string& table, std::string_view protocol);

}  // namespace tetrarch::agent::network
