// SPDX-License-Identifier: Apache-2.0
// How long to wait before something is tried again: doubling up to a limit, forgotten after a good
// while. Pure.
#pragma once

#include <algorithm>
#include <chrono>

#include "base/clock.h"

namespace tetrarch::agent {

// Source: Kubernetes documentation, "Pod Lifecycle", container restarts: 10 s, 20 s … 5 min, reset
// after 10 min.
inline constexpr std::chrono::seconds kRestartBackoffFirst{10};
inline constexpr std::chrono::seconds kRestartBackoffMax{300};
inline constexpr std::chrono::seconds kRestartBackoffReset{600};

/// The pause that `failures` failures in a row ask for; none for the first restart.
inline std::chrono::seconds backoff_after(int failures) {
  if (failures <= 0) {
    return std::chrono::seconds(0);
  }
  return std::min(kRestartBackoffFirst * (1 << std::min(failures - 1, 10)), kRestartBackoffMax);
}

/// Restarts of one container.
class RestartBackoff {
 public:
  /// An agent that starts anew assumes that all restarts so far were in a row.
  void adopt(int restarts) { failures_ = std::max(failures_, restarts); }

  /// The container was started again after an attempt that ran for `ran`.
  void restarted(std::chrono::microseconds ran) {
    failures_ = ran >= kRestartBackoffReset ? 1 : failures_ + 1;
  }

  /// When an attempt that ended at `finished`, having run for `ran`, may be followed by another.
  TimePoint next(TimePoint finished, std::chrono::microseconds ran) const {
    return finished +
           (ran >= kRestartBackoffReset ? std::chrono::seconds(0) : backoff_after(failures_));
  }

  int failures() const { return failures_; }

 private:
  int failures_ = 0;
};

}  // namespace tetrarch::agent
