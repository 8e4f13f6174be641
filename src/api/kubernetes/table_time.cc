// SPDX-License-Identifier: Apache-2.0
// Durations as kubectl shows them: two units while they are short, one when they are long.
#include <fmt/core.h>

#include "api/kubernetes/table.h"

namespace tetrarch::api::kubernetes {
namespace {

/// "3h2m", or "3h" where the rest is 0.
std::string two_units(std::int64_t big, char big_unit, std::int64_t small, char small_unit) {
  return small == 0 ? fmt::format("{}{}", big, big_unit)
                    : fmt::format("{}{}{}{}", big, big_unit, small, small_unit);
}

}  // namespace

// Seen: kubectl 1.20 and 1.32, column AGE; the limits between the forms are what both print.
std::string human_duration(std::chrono::seconds duration) {
  const std::int64_t seconds = duration.count();
  const auto minutes = seconds / 60;
  const auto hours = minutes / 60;
  const auto days = hours / 24;
  if (seconds < -1) {
    return "<invalid>";
  }
  if (seconds < 0) {
    return "0s";
  }
  if (seconds < 120) {
    return fmt::format("{}s", seconds);
  }
  if (minutes < 10) {
    return two_units(minutes, 'm', seconds % 60, 's');
  }
  if (minutes < 180) {
    return fmt::format("{}m", minutes);
  }
  if (hours < 8) {
    return two_units(hours, 'h', minutes % 60, 'm');
  }
  if (hours < 48) {
    return fmt::format("{}h", hours);
  }
  if (days < 8) {
    return two_units(days, 'd', hours % 24, 'h');
  }
  if (days < 2 * 365) {
    return fmt::format("{}d", days);
  }
  if (days < 8 * 365) {
    return two_units(days / 365, 'y', days % 365, 'd');
  }
  return fmt::format("{}y", days / 365);
}

std::string human_age(std::string_view rfc3339, TimePoint now) {
  if (rfc3339.empty()) {
    return "<unknown>";
  }
  const auto time = parse_time(rfc3339);
  if (!time.ok()) {
    return "<unknown>";
  }
  return human_duration(std::chrono::floor<std::chrono::seconds>(now - *time));
}

}  // namespace tetrarch::api::kubernetes
