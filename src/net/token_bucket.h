// SPDX-License-Identifier: Apache-2.0
// A token bucket: how much of something a peer may do at once, and how fast that grows again. One
// strand.
#pragma once

#include <algorithm>
#include <chrono>

#include "base/clock.h"

namespace tetrarch::net {

class TokenBucket {
 public:
  TokenBucket(double capacity, double per_second)
      : capacity_(capacity), per_second_(per_second), tokens_(capacity) {}

  /// False: too few are left; then none is taken.
  bool take(SteadyPoint now, double count = 1) {
    if (refilled_ == SteadyPoint{}) {
      refilled_ = now;
    }
    if (tokens_ < count) {
      refill(now);
    }
    if (tokens_ < count) {
      return false;
    }
    tokens_ -= count;
    return true;
  }

  /// What was earned by other means than time.
  void give(double count) { tokens_ = std::min(capacity_, tokens_ + count); }

 private:
  void refill(SteadyPoint now) {
    give(std::chrono::duration<double>(now - refilled_).count() * per_second_);
    refilled_ = now;
  }

  const double capacity_;
  const double per_second_;
  double tokens_;
  SteadyPoint refilled_{};  // up to when time has been counted
};

}  // namespace tetrarch::net
