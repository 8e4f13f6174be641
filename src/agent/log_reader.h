// SPDX-License-Identifier: Apache-2.0
// Logs as `kubectl logs` asks for them: from a CRI log file to plain text, with tail, since,
// timestamps and a limit.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/runtime/log_file.h"
#include "async/io_pool.h"
#include "base/clock.h"
#include "object/document.h"

namespace tetrarch::agent {

struct LogWishes {
  bool is_following = false;
  bool has_timestamps = false;
  std::optional<std::int64_t> tail_lines = {};
  std::optional<std::int64_t> limit_bytes = {};
  std::optional<TimePoint> since = {};
};

/// Of a reach request: follow, timestamps, tailLines, limitBytes, sinceSeconds, sinceTime.
LogWishes log_wishes(object::View request, TimePoint now);

/// Where reading begins: with the oldest rotated file, or as many lines before the end as wished.
/// Blocking.
runtime::LogPlace first_place(const std::filesystem::path& log, const LogWishes& wishes);

/// CRI lines in pieces of any size in, plain text out. Pure.
class LogFormatter {
 public:
  explicit LogFormatter(LogWishes wishes) : wishes_(wishes) {}

  std::string feed(std::string_view bytes);

  /// limitBytes is used up.
  bool is_full() const { return wishes_.limit_bytes && *wishes_.limit_bytes <= 0; }

 private:
  void add(std::string_view line, std::string& out);

  LogWishes wishes_;
  std::string rest_;             ///< a line that has not ended
  bool is_inside_line_ = false;  ///< the last text was partial: no timestamp before the next
};

class LogReader {
 public:
  struct Text {
    std::string text;
    bool has_more = false;  ///< the file may have more right now
  };

  LogReader(std::filesystem::path path, LogWishes wishes, async::BlockingPool& blocking);
  Task<Status> begin();
  Task<Result<Text>> read();

  Task<void> wait() { return follower_.wait(); }

  /// The container has ended: what is there is read to its end.
  void stop_following() { follower_.stop_waiting(); }

  bool is_full() const { return formatter_.is_full(); }

 private:
  std::filesystem::path path_;
  LogWishes wishes_;
  async::BlockingPool& blocking_;
  runtime::LogFollower follower_;
  LogFormatter formatter_;
};

}  // namespace tetrarch::agent
