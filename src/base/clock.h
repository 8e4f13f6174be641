// SPDX-License-Identifier: Apache-2.0
// Time comes only from a Clock, handed in; timestamps are RFC 3339 in UTC.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tetrarch {

using TimePoint = std::chrono::sys_time<std::chrono::microseconds>;
using SteadyPoint = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

/// A seam: the machine's clock in production, virtual time in the simulator. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint now() const = 0;
  virtual SteadyPoint steady() const = 0;
};

/// The machine's own clock; lives for the whole process.
const Clock& system_clock();

/// "2026-11-23T06:13:56Z": what metadata.creationTimestamp and most statuses carry.
std::string format_time(TimePoint time);
/// "2026-11-23T06:13:56.123456Z": MicroTime fields (leases, events.k8s.io).
std::string format_micro_time(TimePoint time);
/// RFC 3339 with any fraction and offset.
Result<TimePoint> parse_time(std::string_view text);

}  // namespace tetrarch
