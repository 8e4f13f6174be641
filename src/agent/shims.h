// SPDX-License-Identifier: Apache-2.0
// The processes of containerd's shims. One serves a sandbox and the containers in it; its command
// line says which, and of which containerd. Blocking.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/result.h"

namespace tetrarch::agent {

struct Shim {
  pid_t pid = 0;
  std::uint64_t start_time = 0;  ///< with the pid: who it is
  std::string ns = {};           ///< containerd's namespace
  std::string id = {};           ///< of the sandbox, or of a container that has none
  bool is_serving = false;       ///< not one that only starts or clears up after another

  bool operator==(const Shim&) const = default;
};

/// What a command line (words that end in NUL each) says of a shim; absent: it is none of the
/// containerd at `socket`. Without pid and start time.
std::optional<Shim> parse_shim(std::string_view command_line, std::string_view socket);

/// All shims of the containerd at `socket`, in our namespace of processes.
std::vector<Shim> find_shims(const std::string& socket);

struct EndedShim {
  std::set<pid_t> processes = {};     ///< that were killed below it
  std::set<std::string> groups = {};  ///< names of the cgroups that these were in
};

/// Kills all that runs below the shim, then ends the shim itself. That it has ended already, or
/// that its pid is somebody else's by now, is success with nothing done.
Result<EndedShim> end_shim(const Shim& shim, const std::string& socket);

/// SIGKILL to every shim of the containerd at `socket`, until there is none. What they have started
/// runs on.
void kill_shims(const std::string& socket);

}  // namespace tetrarch::agent
