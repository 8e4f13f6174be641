// SPDX-License-Identifier: Apache-2.0
// ManualClock: time that passes only when a test says so. Thread-safe. Only tests include it.
#pragma once

#include <atomic>
#include <chrono>

#include "base/clock.h"

namespace tetrarch::control {

class ManualClock final : public Clock {
 public:
  TimePoint now() const override {
    return TimePoint(std::chrono::seconds(1'700'000'000 + passed_.load()));
  }

  SteadyPoint steady() const override { return SteadyPoint(std::chrono::seconds(passed_.load())); }

  void advance(std::chrono::seconds by) { passed_ += by.count(); }

 private:
  std::atomic<std::int64_t> passed_{100};
};

}  // namespace tetrarch::control
