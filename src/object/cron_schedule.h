// SPDX-License-Identifier: Apache-2.0
// CronSchedule: the times that a cron line names: "*/5 8-18 * * mon-fri", "@daily", "@every 90m".
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "base/time_zone.h"

namespace tetrarch::object {

class CronSchedule {
 public:
  /// Error (Code::malformed): as Kubernetes words it.
  static Result<CronSchedule> parse(std::string_view text);

  /// The first time after `after`; empty: none in the next five years. An hour that a zone skips
  /// has no times, one that it repeats has them twice.
  std::optional<TimePoint> next(TimePoint after, const TimeZone& zone) const;
  /// The last time that is after `after` and not after `until`. Its cost is bounded, however far
  /// these are apart.
  std::optional<TimePoint> last(TimePoint after, TimePoint until, const TimeZone& zone) const;

 private:
  friend class CronReader;

  bool has_day(std::chrono::sys_days day) const;

  // One bit per number.
  std::uint64_t minutes_ = 0;
  std::uint64_t hours_ = 0;
  std::uint64_t days_ = 0;
  std::uint64_t months_ = 0;
  std::uint64_t weekdays_ = 0;
  bool is_any_day_ = false;        ///< the day of the month was *
  bool is_any_weekday_ = false;    ///< the day of the week was *
  std::chrono::seconds every_{0};  ///< of @every; else 0
};

}  // namespace tetrarch::object
