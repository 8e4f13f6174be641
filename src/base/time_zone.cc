// SPDX-License-Identifier: Apache-2.0
#include "base/time_zone.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

namespace tetrarch {

namespace {

using std::chrono::days;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::sys_seconds;

constexpr std::string_view kDirectory = "/usr/share/zoneinfo/";
constexpr std::size_t kFileMost = 256 * 1024;
constexpr std::size_t kHeader = 44;

Error broken() {
  return Error{Code::malformed, "not a time zone file"};
}

/// Counts of a TZif header, in their order. Source: RFC 9636, 3.1.
struct Counts {
  std::size_t ut = 0;
  std::size_t standard = 0;
  std::size_t leaps = 0;
  std::size_t times = 0;
  std::size_t types = 0;
  std::size_t characters = 0;

  std::size_t body(std::size_t time_bytes) const {
    return times * (time_bytes + 1) + types * 6 + characters + leaps * (time_bytes + 4) + standard +
           ut;
  }
};

std::int64_t big_endian(std::string_view bytes) {
  const bool is_negative = (static_cast<unsigned char>(bytes[0]) & 0x80U) != 0;
  std::uint64_t value = is_negative ? ~std::uint64_t{0} : 0;
  for (const char c : bytes) {
    value = (value << 8U) | static_cast<unsigned char>(c);
  }
  return static_cast<std::int64_t>(value);
}

std::optional<Counts> read_header(std::string_view file) {
  if (file.size() < kHeader || !file.starts_with("TZif")) {
    return std::nullopt;
  }
  Counts out;
  std::size_t place = 20;
  for (auto* count :
       {&out.ut, &out.standard, &out.leaps, &out.times, &out.types, &out.characters}) {
    *count = static_cast<std::size_t>(big_endian(file.substr(place, 4)));
    if (*count > kFileMost) {
      return std::nullopt;
    }
    place += 4;
  }
  return out;
}

}  // namespace

/// Reads the text of a footer, piece by piece; `is_good` is false once something was not as it must
/// be.
class TimeZoneReader {
 public:
  explicit TimeZoneReader(std::string_view text) : left_(text) {}

  std::optional<TimeZone::Rule> rule() {
    TimeZone::Rule out;
    skip_name();
    out.standard = -clock_time();
    if (!left_.empty()) {
      out.has_summer = true;
      skip_name();
      out.summer = left_.empty() || left_.front() == ',' ? out.standard + std::chrono::hours(1)
                                                         : -clock_time();
      out.begin = day();
      out.end = day();
    }
    return is_good_ && left_.empty() ? std::optional(out) : std::nullopt;
  }

 private:
  bool take(char c) {
    if (left_.empty() || left_.front() != c) {
      return false;
    }
    left_.remove_prefix(1);
    return true;
  }

  void need(char c) { is_good_ = take(c) && is_good_; }

  int number() {
    int value = 0;
    const auto [end, error] = std::from_chars(left_.data(), left_.data() + left_.size(), value);
    is_good_ = is_good_ && error == std::errc() && value >= 0 && value < 10'000;
    left_.remove_prefix(static_cast<std::size_t>(end - left_.data()));
    return is_good_ ? value : 0;
  }

  void skip_name() {
    const auto end = take('<') ? left_.find('>') : left_.find_first_of("+-0123456789,");
    is_good_ = is_good_ && end != 0;
    left_ = end == std::string_view::npos ? std::string_view() : left_.substr(end);
    take('>');
  }

  /// [+-]hh[:mm[:ss]]
  seconds clock_time() {
    const bool is_negative = take('-');
    if (!is_negative) {
      take('+');
    }
    seconds out = std::chrono::hours(number());
    if (take(':')) {
      out += std::chrono::minutes(number());
      if (take(':')) {
        out += seconds(number());
      }
    }
    return is_negative ? -out : out;
  }

  /// ,Mm.w.d or ,Jn or ,n; maybe /time
  TimeZone::Day day() {
    using Form = TimeZone::Day::Form;
    TimeZone::Day out;
    need(',');
    if (take('M')) {
      out.month = number();
      need('.');
      out.week = number();
      need('.');
      out.day = number();
      is_good_ = is_good_ && out.month >= 1 && out.month <= 12 && out.week >= 1 && out.week <= 5 &&
                 out.day <= 6;
    } else {
      out.form = take('J') ? Form::julian : Form::zero_based;
      out.day = number();
      is_good_ = is_good_ && out.day <= 366;
    }
    if (take('/')) {
      out.time = clock_time();
    }
    return out;
  }

  std::string_view left_;
  bool is_good_ = true;
};

Result<TimeZone> TimeZone::parse(std::string_view file) {
  const auto old = read_header(file);
  if (!old || file.size() < kHeader + old->body(4) || file[4] < '2') {
    return broken();
  }
  file.remove_prefix(kHeader + old->body(4));
  const auto counts = read_header(file);
  if (!counts || file.size() < kHeader + counts->body(8) || counts->types == 0) {
    return broken();
  }
  const auto times = file.substr(kHeader, counts->times * 8);
  const auto kinds = file.substr(kHeader + times.size(), counts->times);
  const auto types = file.substr(kHeader + times.size() + kinds.size(), counts->types * 6);
  TimeZone out;
  out.first_ = seconds(big_endian(types.substr(0, 4)));
  for (std::size_t i = 0; i < counts->times; ++i) {
    const auto kind = static_cast<unsigned char>(kinds[i]);
    if (kind >= counts->types) {
      return broken();
    }
    out.transitions_.push_back({sys_seconds(seconds(big_endian(times.substr(i * 8, 8)))),
                                seconds(big_endian(types.substr(kind * 6, 4)))});
  }
  auto footer = file.substr(kHeader + counts->body(8));
  if (footer.size() > 2) {
    footer = footer.substr(1, footer.find('\n', 1) - 1);
    out.rule_ = TimeZoneReader(footer).rule();
    if (!out.rule_) {
      return broken();
    }
  }
  return out;
}

sys_seconds TimeZone::moment_of(const Day& day, std::chrono::year year, seconds offset) {
  using std::chrono::January;
  sys_days date;
  if (day.form == Day::Form::weekday_of_month) {
    const std::chrono::month month(static_cast<unsigned>(day.month));
    const std::chrono::weekday weekday(static_cast<unsigned>(day.day));
    date = day.week == 5 ? sys_days(year / month / weekday[std::chrono::last])
                         : sys_days(year / month / weekday[static_cast<unsigned>(day.week)]);
  } else {
    const bool is_after_leap_day = day.form == Day::Form::julian && year.is_leap() && day.day >= 60;
    const int skipped = day.form == Day::Form::julian ? 1 : 0;
    date = sys_days(year / January / 1) + days(day.day - skipped + (is_after_leap_day ? 1 : 0));
  }
  return date + day.time - offset;
}

seconds TimeZone::offset_by(const Rule& rule, sys_seconds time) {
  if (!rule.has_summer) {
    return rule.standard;
  }
  const std::chrono::year_month_day date(std::chrono::floor<days>(time + rule.standard));
  const auto begin = moment_of(rule.begin, date.year(), rule.standard);
  const auto end = moment_of(rule.end, date.year(), rule.summer);
  const bool is_summer = begin < end ? begin <= time && time < end : !(end <= time && time < begin);
  return is_summer ? rule.summer : rule.standard;
}

seconds TimeZone::offset_at(sys_seconds time) const {
  const auto after = std::upper_bound(
      transitions_.begin(), transitions_.end(), time, [](sys_seconds at, const Transition& each) {
        return at < each.at;
      });
  if (after == transitions_.end() && rule_) {
    return offset_by(*rule_, time);
  }
  return after == transitions_.begin() ? first_ : std::prev(after)->offset;
}

Result<TimeZone> load_time_zone(std::string_view name) {
  if (name == "UTC" || name == "Etc/UTC") {
    return TimeZone();
  }
  const auto unknown = Error{Code::not_found, fmt::format("unknown time zone {}", name)};
  const bool is_plain = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
           c == '_' || c == '+' || c == '-';
  });
  if (name.empty() || !is_plain || name.front() == '/') {
    return unknown;
  }
  std::ifstream in(std::string(kDirectory) + std::string(name), std::ios::binary);
  std::string file(kFileMost, '\0');
  in.read(file.data(), static_cast<std::streamsize>(file.size()));
  file.resize(static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  auto parsed = TimeZone::parse(file);
  return parsed.ok() ? std::move(parsed) : Result<TimeZone>(unknown);
}

}  // namespace tetrarch
