// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <fmt/format.h>

namespace tetrarch {
namespace {

class SystemClock final : public Clock {
 public:
  TimePoint now() const override {
    return std::chrono::time_point_cast<std::chrono::microseconds>(
        std::chrono::system_clock::now());
  }

  SteadyPoint steady() const override { return std::chrono::steady_clock::now(); }
};

struct Broken {
  std::chrono::year_month_day date;
  std::chrono::hh_mm_ss<std::chrono::microseconds> time;
};

Broken break_down(TimePoint time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  return {std::chrono::year_month_day{day}, std::chrono::hh_mm_ss{time - day}};
}

std::string format_seconds(const Broken& at) {
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
                     static_cast<int>(at.date.year()),
                     static_cast<unsigned>(at.date.month()),
                     static_cast<unsigned>(at.date.day()),
                     at.time.hours().count(),
                     at.time.minutes().count(),
                     at.time.seconds().count());
}

/// Reads exactly `digits` digits at `at`; -1 where they are not there.
int number_at(std::string_view text, std::size_t at, std::size_t digits) {
  if (at + digits > text.size()) {
    return -1;
  }
  int value = 0;
  for (const char c : text.substr(at, digits)) {
    if (c < '0' || c > '9') {
      return -1;
    }
    value = value * 10 + (c - '0');
  }
  return value;
}

Error not_a_time(std::string_view text) {
  return {Code::invalid,
          fmt::format("\"{}\" is not an RFC 3339 time such as 2026-11-23T06:13:56Z", text)};
}

/// The offset from UTC at the end of an RFC 3339 time.
Result<std::chrono::minutes> parse_offset(std::string_view rest, std::string_view text) {
  if (rest == "Z" || rest == "z") {
    return std::chrono::minutes{0};
  }
  const int hours = number_at(rest, 1, 2);
  const int minutes = number_at(rest, 4, 2);
  // Source: RFC 3339 section 5.6: time-hour and time-minute.
  if (rest.size() != 6 || (rest[0] != '+' && rest[0] != '-') || rest[3] != ':' || hours < 0 ||
      hours > 23 || minutes < 0 || minutes > 59) {
    return not_a_time(text);
  }
  const auto offset = std::chrono::hours{hours} + std::chrono::minutes{minutes};
  return rest[0] == '-' ? -offset : offset;
}

}  // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

std::string format_time(TimePoint time) {
  return format_seconds(break_down(time)) + "Z";
}

std::string format_micro_time(TimePoint time) {
  const auto at = break_down(time);
  return fmt::format("{}.{:06}Z", format_seconds(at), at.time.subseconds().count());
}

Result<TimePoint> parse_time(std::string_view text) {
  const int parts[] = {number_at(text, 0, 4),
                       number_at(text, 5, 2),
                       number_at(text, 8, 2),
                       number_at(text, 11, 2),
                       number_at(text, 14, 2),
                       number_at(text, 17, 2)};
  for (const int part : parts) {
    if (part < 0) {
      return not_a_time(text);
    }
  }
  if (text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') || text[13] != ':' ||
      text[16] != ':' || parts[3] > 23 || parts[4] > 59 || parts[5] > 60) {
    return not_a_time(text);
  }
  const std::chrono::year_month_day date{std::chrono::year{parts[0]},
                                         std::chrono::month{static_cast<unsigned>(parts[1])},
                                         std::chrono::day{static_cast<unsigned>(parts[2])}};
  if (!date.ok()) {
    return not_a_time(text);
  }
  std::size_t at = 19;
  std::int64_t micros = 0;
  if (at < text.size() && text[at] == '.') {
    std::int64_t scale = 100000;
    if (number_at(text, at + 1, 1) < 0) {
      return not_a_time(text);
    }
    for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
      micros += (text[at] - '0') * scale;
      scale /= 10;
    }
  }
  TRY(const auto offset, parse_offset(text.substr(at), text));
  return TimePoint{std::chrono::sys_days{date}} + std::chrono::hours{parts[3]} +
         std::chrono::minutes{parts[4]} + std::chrono::seconds{parts[5]} +
         std::chrono::microseconds{micros} - offset;
}

}  // namespace tetrarch
