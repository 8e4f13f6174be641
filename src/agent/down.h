// SPDX-License-Identifier: Apache-2.0
// `tetrarch down`: ends whatever an agent left running for a data directory.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"

namespace tetrarch::agent {

/// Kills every pod's processes, the shims and containerd of that directory, removes its network,
/// cgroups and mounts. With `is_purge` also removes <data_directory>/agent. Blocking; nothing
/// running is success. The agent itself must have ended already.
Status take_down(const std::filesystem::path& data_directory, bool is_purge);

/// Short name (6 hex characters) of a data directory: part of the names of bridges, cgroups and run
/// directories.
std::string instance_name(const std::filesystem::path& data_directory);

}  // namespace tetrarch::agent
