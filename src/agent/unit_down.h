// SPDX-License-Identifier: Apache-2.0
// Ends the systemd units that an agent has placed on this machine and left running: a part of
// `tetrarch down`.
#pragma once

#include <filesystem>

#include "base/result.h"

namespace tetrarch::agent {

/// Stops, unlinks and removes those that have a note in the directory, and no others. Blocking;
/// none is success. The agent itself must have ended already.
Status take_units_down(const std::filesystem::path& directory);

}  // namespace tetrarch::agent
