// SPDX-License-Identifier: Apache-2.0
// Source: the cron syntax that Kubernetes documents for CronJob; the words of its errors and the
// meaning of corners ("1/5", "*" in one of the two day fields) are those of its parser,
// robfig/cron v3.
#include "object/cron_schedule.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tetrarch::object {

namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::sys_seconds;

constexpr days kFarthest{5 * 366};

struct Bounds {
  int min;
  int max;
  const char* names = "";  ///< three letters each, from `min` on
};

constexpr Bounds kMinutes{0, 59};
constexpr Bounds kHours{0, 23};
constexpr Bounds kDays{1, 31};
constexpr Bounds kMonths{1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"};
constexpr Bounds kWeekdays{0, 6, "sunmontuewedthufrisat"};

Error fault(std::string message) {
  return Error{Code::malformed, std::move(message)};
}

std::vector<std::string_view> split(std::string_view text, char by) {
  std::vector<std::string_view> out;
  while (true) {
    const auto at = text.find(by);
    out.push_back(text.substr(0, at));
    if (at == text.npos) {
      return out;
    }
    text.remove_prefix(at + 1);
  }
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> out;
  constexpr std::string_view kBlank = " \t\r\n";
  while (true) {
    const auto begin = text.find_first_not_of(kBlank);
    if (begin == text.npos) {
      return out;
    }
    text.remove_prefix(begin);
    out.push_back(text.substr(0, text.find_first_of(kBlank)));
    text.remove_prefix(out.back().size());
  }
}

Result<int> number_in(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return fault(fmt::format(
        "failed to parse int from {}: strconv.Atoi: parsing \"{}\": invalid syntax", text, text));
  }
  if (value < 0) {
    return fault(fmt::format("negative number ({}) not allowed: {}", value, text));
  }
  return value;
}

Result<int> number_or_name(std::string_view text, const Bounds& bounds) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const std::string_view names = bounds.names;
  for (std::size_t i = 0; i + 3 <= names.size(); i += 3) {
    if (lower == names.substr(i, 3)) {
      return bounds.min + static_cast<int>(i / 3);
    }
  }
  return number_in(text);
}

struct Range {
  int first;
  int last;
  int step = 1;
  bool is_star = false;
};

Status check_range(const Range& range, const Bounds& bounds, std::string_view text) {
  if (range.first < bounds.min) {
    return fault(fmt::format(
        "beginning of range ({}) below minimum ({}): {}", range.first, bounds.min, text));
  }
  if (range.last > bounds.max) {
    return fault(
        fmt::format("end of range ({}) above maximum ({}): {}", range.last, bounds.max, text));
  }
  if (range.first > range.last) {
    return fault(fmt::format(
        "beginning of range ({}) beyond end of range ({}): {}", range.first, range.last, text));
  }
  if (range.step == 0) {
    return fault(fmt::format("step of range should be a positive number: {}", text));
  }
  return ok();
}

/// "5", "1-5", "*", each maybe with "/2" behind.
Result<Range> range_in(std::string_view text, const Bounds& bounds) {
  const auto parts = split(text, '/');
  const auto ends = split(parts[0], '-');
  Range out{bounds.min, bounds.max};
  if (ends[0] == "*" || ends[0] == "?") {
    out.is_star = true;
  } else {
    TRY(out.first, number_or_name(ends[0], bounds));
    out.last = out.first;
    if (ends.size() > 2) {
      return fault(fmt::format("too many hyphens: {}", text));
    }
    if (ends.size() == 2) {
      TRY(out.last, number_or_name(ends[1], bounds));
    }
  }
  if (parts.size() > 2) {
    return fault(fmt::format("too many slashes: {}", text));
  }
  if (parts.size() == 2) {
    TRY(out.step, number_in(parts[1]));
    out.last = ends.size() == 1 ? bounds.max : out.last;  // "3/5" goes on to the end
    out.is_star = out.is_star && out.step <= 1;
  }
  TRY_STATUS(check_range(out, bounds, text));
  return out;
}

/// "1h30m", "90s".
Result<seconds> duration_in(std::string_view text) {
  double total = 0;
  auto left = text;
  bool is_good = !left.empty();
  while (is_good && !left.empty()) {
    double value = 0;
    const auto [end, error] = std::from_chars(left.data(), left.data() + left.size(), value);
    left.remove_prefix(static_cast<std::size_t>(end - left.data()));
    const auto unit = left.substr(0, left.find_first_of("0123456789."));
    const double scale = unit == "h"    ? 3600
                         : unit == "m"  ? 60
                         : unit == "s"  ? 1
                         : unit == "ms" ? 0.001
                                        : 0;
    is_good = error == std::errc() && scale > 0 && value >= 0 && value * scale < 1e9;
    total += value * scale;
    left.remove_prefix(unit.size());
  }
  if (!is_good) {
    return fault(fmt::format(
        "failed to parse duration @every {}: time: invalid duration \"{}\"", text, text));
  }
  return std::max(seconds(1), seconds(static_cast<std::int64_t>(total)));
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kDescriptors{{
    {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
    {"@monthly", "0 0 1 * *"},
    {"@weekly", "0 0 * * 0"},
    {"@daily", "0 0 * * *"},
    {"@midnight", "0 0 * * *"},
    {"@hourly", "0 * * * *"},
}};

bool has(std::uint64_t bits, std::int64_t number) {
  return ((bits >> static_cast<unsigned>(number)) & 1U) != 0;
}

}  // namespace

/// Reads the fields of a line into a schedule.
class CronReader {
 public:
  static Result<CronSchedule> read(std::string_view text) {
    CronSchedule out;
    const auto fields = words_of(text);
    if (fields.size() != 5) {
      return fault(fmt::format(
          "expected exactly 5 fields, found {}: [{}]", fields.size(), fmt::join(fields, " ")));
    }
    bool ignored = false;
    TRY(out.minutes_, field(fields[0], kMinutes, &ignored));
    TRY(out.hours_, field(fields[1], kHours, &ignored));
    TRY(out.days_, field(fields[2], kDays, &out.is_any_day_));
    TRY(out.months_, field(fields[3], kMonths, &ignored));
    TRY(out.weekdays_, field(fields[4], kWeekdays, &out.is_any_weekday_));
    return out;
  }

  static CronSchedule every(seconds interval) {
    CronSchedule out;
    out.every_ = interval;
    return out;
  }

 private:
  static Result<std::uint64_t> field(std::string_view text, const Bounds& bounds, bool* is_star) {
    std::uint64_t bits = 0;
    for (const auto piece : split(text, ',')) {
      if (piece.empty()) {
        continue;
      }
      TRY(const auto range, range_in(piece, bounds));
      for (int number = range.first; number <= range.last; number += range.step) {
        bits |= std::uint64_t{1} << static_cast<unsigned>(number);
      }
      *is_star = *is_star || range.is_star;
    }
    return bits;
  }
};

Result<CronSchedule> CronSchedule::parse(std::string_view text) {
  if (text.empty()) {
    return fault("empty spec string");
  }
  if (text.front() != '@') {
    return CronReader::read(text);
  }
  for (const auto& [name, line] : kDescriptors) {
    if (text == name) {
      return CronReader::read(line);
    }
  }
  constexpr std::string_view kEvery = "@every ";
  if (text.starts_with(kEvery)) {
    TRY(const auto interval, duration_in(text.substr(kEvery.size())));
    return CronReader::every(interval);
  }
  return fault(fmt::format("unrecognized descriptor: {}", text));
}

bool CronSchedule::has_day(sys_days day) const {
  const std::chrono::year_month_day date(day);
  if (!has(months_, static_cast<unsigned>(date.month()))) {
    return false;
  }
  const bool is_day = has(days_, static_cast<unsigned>(date.day()));
  const bool is_weekday = has(weekdays_, std::chrono::weekday(day).c_encoding());
  return is_any_day_ || is_any_weekday_ ? is_day && is_weekday : is_day || is_weekday;
}

std::optional<TimePoint> CronSchedule::next(TimePoint after, const TimeZone& zone) const {
  if (every_ > seconds(0)) {
    return std::chrono::floor<seconds>(after) + every_;
  }
  if (minutes_ == 0 || hours_ == 0) {
    return std::nullopt;  // "," names nothing; there is no need to walk through five years
  }
  sys_seconds at = std::chrono::floor<minutes>(after) + minutes(1);
  const auto end = at + kFarthest;
  while (at < end) {
    const auto local = at + zone.offset_at(at);
    const auto day = std::chrono::floor<days>(local);
    const auto hour = std::chrono::floor<hours>(local - day);
    const auto minute = std::chrono::floor<minutes>(local - day - hour);
    if (!has_day(day)) {
      // Late in the day it goes hour by hour: a zone may change its clocks at midnight.
      at += std::max(hours(1), hours(22) - hour) - minute;
    } else if (!has(hours_, hour.count())) {
      at += hours(1) - minute;
    } else if (!has(minutes_, minute.count())) {
      at += minutes(1);
    } else {
      return at;
    }
  }
  return std::nullopt;
}

std::optional<TimePoint> CronSchedule::last(TimePoint after,
                                            TimePoint until,
                                            const TimeZone& zone) const {
  if (until < after) {
    return std::nullopt;
  }
  if (every_ > seconds(0)) {
    const auto start = std::chrono::floor<seconds>(after);
    const auto count = (until - start) / every_;
    return count < 1 ? std::nullopt : std::optional<TimePoint>(start + count * every_);
  }
  // The shortest stretch before `until` that has a time at all has few of them.
  for (const seconds stretch : {seconds(hours(1)),
                                seconds(days(1)),
                                seconds(days(40)),
                                seconds(days(366)),
                                seconds(kFarthest)}) {
    const auto from = std::max(after, until - stretch);
    auto found = next(from, zone);
    if (found && *found <= until) {
      for (auto later = next(*found, zone); later && *later <= until; later = next(*found, zone)) {
        found = later;
      }
      return found;
    }
    if (from == after) {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace tetrarch::object
