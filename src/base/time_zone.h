// SPDX-License-Identifier: Apache-2.0
// TimeZone: how far a zone's clocks are from UTC at a moment, by the files of the IANA time zone
// database. Immutable; safe to share.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tetrarch {

class TimeZone {
 public:
  /// UTC.
  TimeZone() = default;
  /// The contents of a file such as /usr/share/zoneinfo/Europe/Berlin (TZif, version 2 or later).
  static Result<TimeZone> parse(std::string_view file);

  std::chrono::seconds offset_at(std::chrono::sys_seconds time) const;

 private:
  friend class TimeZoneReader;

  /// A day of the year and a time of that day.
  struct Day {
    enum class Form : std::uint8_t { weekday_of_month, julian, zero_based };
    Form form = Form::weekday_of_month;
    int month = 1;
    int week = 1;
    int day = 0;  ///< of the week, or of the year
    std::chrono::seconds time{7200};
  };

  /// What holds after the last transition. Source: RFC 9636, footer; POSIX, TZ variable.
  struct Rule {
    std::chrono::seconds standard{0};
    bool has_summer = false;
    std::chrono::seconds summer{0};
    Day begin;
    Day end;
  };

  static std::chrono::sys_seconds moment_of(const Day& day,
                                            std::chrono::year year,
                                            std::chrono::seconds offset);
  static std::chrono::seconds offset_by(const Rule& rule, std::chrono::sys_seconds time);

  struct Transition {
    std::chrono::sys_seconds at;
    std::chrono::seconds offset;  ///< from then on
  };

  std::chrono::seconds first_{0};  ///< before the first transition
  std::vector<Transition> transitions_;
  std::optional<Rule> rule_;
};

/// From the machine's database, below /usr/share/zoneinfo. UTC needs none. Error (Code::not_found):
/// "unknown time zone <name>".
Result<TimeZone> load_time_zone(std::string_view name);

}  // namespace tetrarch
