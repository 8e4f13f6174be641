// SPDX-License-Identifier: Apache-2.0
// Convergence: how far a cluster is from what its users asked for last. Asked when all faults are
// over; pure.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sim/machine.h"
#include "sim/users.h"
#include "store/store.h"

namespace tetrarch::sim {

/// What is not yet as it should be, in words; empty: all is. At most a few of a kind.
std::vector<std::string> missing(const store::Snapshot& snapshot,
                                 const Users& users,
                                 std::vector<std::unique_ptr<Machine>>& machines);

}  // namespace tetrarch::sim
