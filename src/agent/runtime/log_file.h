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
#include <vector>

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

/// A log and what was rotated away from it, newest first: x.log, x.log.1, x.log.2 … Blocking.
std::vector<std::filesystem::path> log_files(const std::filesystem::path& log);
/// x.log.3 of x.log.
std::filesystem::path rotated_log(const std::filesystem::path& log, int number);

/// Where reading begins.
struct LogPlace {
  std::filesystem::path file;
  std::int64_t offset = 0;
};

/// The first of the last `lines` lines of the log, which may lie in a rotated file. A line that was
/// cut into pieces counts once. Blocking.
LogPlace tail_of(const std::filesystem::path& log, std::int64_t lines);

/// Reads a growing log from a place on, file after file, through rotations. Used by one coroutine.
class LogFollower {
 public:
  LogFollower(std::filesystem::path path, async::BlockingPool& blocking);
  ~LogFollower();
  LogFollower(const LogFollower&) = delete;
  LogFollower& operator=(const LogFollower&) = delete;

  /// To the end: only what is written from now on.
  Task<Status> skip_to_end();
  Task<Status> skip_to(LogPlace place);
  /// Nothing is written any more: the next file is gone on with at once.
  void stop_waiting();
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
