// SPDX-License-Identifier: Apache-2.0
// Reads the clients that the kernel keeps in a table's map. Not through libnftables, which takes
// several times as long: a change of a service waits for it. Blocking; one thread at a time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/network/affinity.h"
#include "agent/network/netlink.h"
#include "base/result.h"

namespace tetrarch::agent::network {

class ClientReader {
 public:
  /// Of the map of that protocol; empty where there is no such table or map.
  Result<std::vector<StickyClient>> read(const std::string& table, std::string_view protocol);

 private:
  // Kept: who closes one waits until the kernel has freed what was deleted, some 10 ms.
  Socket socket_;
};

}  // namespace tetrarch::agent::network
