// SPDX-License-Identifier: Apache-2.0
// Who attaches to a container that has just started, as `kubectl run -it` does, wants all of what
// it prints. containerd gives what comes from then on; the log has what came before.
#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/runtime/log_file.h"
#include "agent/runtime/runtime.h"

namespace tetrarch::agent::runtime {

/// Which attach is told what a container printed before it: the first, when it comes within ten
/// seconds of the start. From any thread.
class FirstAttach {
 public:
  bool is_at_start(const Container& container, TimePoint now);

 private:
  std::mutex mutex_;
  std::vector<std::pair<std::string, TimePoint>> seen_;  ///< id and start, of the last ten seconds
};

/// From the log's place to its end, at most its last 4 MiB. A line that has not ended is no part.
Task<Result<std::vector<Session::Chunk>>> printed_so_far(LogFollower& log, bool has_tty);

/// The length of the longest end of `earlier` with which `later` begins. Linear in the shorter one.
std::size_t overlap(std::string_view earlier, std::string_view later);

/// `printed`, and of `live`, which came through containerd since before that was read, what is new.
std::deque<Session::Chunk> joined(std::vector<Session::Chunk> printed,
                                  std::vector<Session::Chunk> live);

}  // namespace tetrarch::agent::runtime
