// SPDX-License-Identifier: Apache-2.0
#include "object/int_or_string.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string>

namespace tetrarch::object {
namespace {

__extension__ using Wide = __int128;

Error bad_value(const std::string& why) {
  return {Code::invalid, "invalid value for IntOrString: " + why};
}

}  // namespace

// Source: Kubernetes apimachinery, pkg/util/intstr/intstr.go, GetScaledValueFromIntOrPercent,
// v0.34.
Result<std::int64_t> scaled_value(View int_or_percent, std::int64_t total, Rounding rounding) {
  if (int_or_percent.is_number()) {
    return int_or_percent.integer();
  }
  if (!int_or_percent.is_string()) {
    return Error{Code::invalid, "nil value for IntOrString"};
  }
  const std::string_view text = int_or_percent.string();
  if (text.empty() || text.back() != '%') {
    return bad_value("invalid type: string is not a percentage");
  }
  const auto* end = text.data() + text.size() - 1;
  std::int64_t percent = 0;
  const auto [rest, error] = std::from_chars(text.data(), end, percent);
  if (error != std::errc{} || rest != end) {
    return bad_value("invalid value \"" + std::string(text) +
                     "\": not a whole number before the percent sign");
  }
  const Wide hundredfold = static_cast<Wide>(percent) * total;
  Wide value = hundredfold / 100;  // towards zero
  const Wide remainder = hundredfold % 100;
  if (rounding == Rounding::up && remainder > 0) {
    ++value;
  } else if (rounding == Rounding::down && remainder < 0) {
    --value;
  }
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(std::clamp<Wide>(value, -kMax, kMax));
}

}  // namespace tetrarch::object
