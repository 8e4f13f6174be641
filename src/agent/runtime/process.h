// SPDX-License-Identifier: Apache-2.0
// Child processes: one that is run to its end, and one that outlives us. Blocking; call on a
// BlockingPool.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"

namespace tetrarch::agent::runtime {

struct Ran {
  int exit_code = 0;   ///< 128 + signal where one ended it
  std::string output;  ///< stdout and stderr together, cut at 1 MiB
};

/// `command[0]` is looked up in PATH. An error only where it cannot be started.
Result<Ran> run_process(const std::vector<std::string>& command);

/// Starts it in a session of its own, stdin empty, output appended to `log`; it lives on when we
/// end.
Result<pid_t> spawn_daemon(const std::vector<std::string>& command,
                           const std::filesystem::path& log);

/// What tells a process from a later one of the same number; 0: there is no such process (or it is
/// a zombie).
std::uint64_t process_start_time(pid_t pid);

}  // namespace tetrarch::agent::runtime
