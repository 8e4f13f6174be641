// SPDX-License-Identifier: Apache-2.0
// Container log files as CRI writes them: lines "<time> stdout|stderr P|F <text>".
// Source: Kubernetes, CRI log format (container-runtime design, kubelet-cri-logging).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "async/io_pool.h"
#include "async/task.h"
#include "base/result.h"

namespace tetrarch::agent::runtime {

struct LogLine {
  std::string_view time;  ///< RFC 3339 with nanoseconds
  bool is_error_stream = false;
  bool is_partial = false;  ///< the text goes on in the next line of the same stream
  std::string_view text;    ///< without the newline
};

/// Empty where the line is not in the format (a torn write).
std::optional<LogLine> parse_log_line(std::string_view line);

/// Reads a growing file from a place on, through rotations (the path gets a new file). Used by one
/// coroutine.
class LogFollower {
 public:
  LogFollower(std::filesystem::path path, async::BlockingPool& blocking);
  ~LogFollower();
  LogFollower(const LogFollower&) = delete;
  LogFollower& operator=(const LogFollower&) = delete;

  /// To the end: only what is written from now on.
  Task<Status> skip_to_end();
  Task<Status> skip_to(std::int64_t offset);
  /// The next bytes (up to 64 KiB), empty when there are none now.
  Task<Result<std::string>> read();
  /// Returns when the file may have grown, at the latest after a second.
  Task<void> wait();

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with a read under way on the pool
  async::BlockingPool& blocking_;
};

}  // namespace tetrarch::agent::runtime
