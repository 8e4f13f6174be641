// SPDX-License-Identifier: Apache-2.0
// The process that is killed: opens the store, reports what it found, then writes and watches until
// its end.
#pragma once

#include <cstdint>
#include <string>

namespace tetrarch::store_kill {

/// Reports to `fd` as kill_ledger.h says. Ends by itself only where `only_looks`, or where the
/// store does not open.
int run_child(const std::string& directory, int fd, std::uint64_t seed, bool only_looks);

}  // namespace tetrarch::store_kill
