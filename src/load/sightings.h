// SPDX-License-Identifier: Apache-2.0
// Sightings: when the pods RUN-0, RUN-1 … were first seen in what a watch shows.
#pragma once

#include <atomic>
#include <string>
#include <string_view>
#include <vector>

#include "async/task.h"
#include "base/clock.h"
#include "net/client.h"

namespace tetrarch::load {

/// The watch's selector says what counts as seen. Read by another thread than the watch's once it
/// has ended, and `seen` at any time.
class Sightings {
 public:
  Sightings(std::string run, int count);

  /// Reads events until every pod has been seen.
  Task<void> follow(net::Client& client, std::string target);

  void wait_until_open() const;
  /// Until so many have been seen, or the watch has ended, or for five minutes.
  void wait_until_seen(int count) const;

  /// Empty: none.
  const std::string& failure() const { return failure_; }

  /// By number; the epoch: not seen.
  const std::vector<SteadyPoint>& times() const { return times_; }

 private:
  std::size_t take_lines(const std::string& text);
  void take_line(std::string_view line, SteadyPoint now);

  std::string mark_;
  std::vector<SteadyPoint> times_;
  std::string failure_;
  std::atomic<int> seen_ = 0;
  std::atomic<bool> is_open_ = false;
  std::atomic<bool> is_done_ = false;
};

}  // namespace tetrarch::load
