// SPDX-License-Identifier: Apache-2.0
#include "api/distribution/ranges.h"

#include <algorithm>
#include <charconv>

namespace tetrarch::api::distribution {
namespace {

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  const bool is_number =
      error == std::errc{} && end == text.data() + text.size() && !text.starts_with('-');
  return is_number ? std::optional(out) : std::nullopt;
}

}  // namespace

RangeAnswer parse_range(std::string_view header, std::int64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  const auto dash = header.find('-');
  if (!header.starts_with(kUnit) || dash == std::string_view::npos) {
    return {};
  }
  const auto first = header.substr(kUnit.size(), dash - kUnit.size());
  const auto last = header.substr(dash + 1);
  const auto begin = number(first);
  const auto end = number(last);
  if ((!begin && !first.empty()) || (!end && !last.empty()) || (!begin && !end)) {
    return {};
  }
  if (!begin) {  // the last so many
    return *end == 0 ? RangeAnswer{true}
                     : RangeAnswer{false, ByteRange{std::max<std::int64_t>(size - *end, 0), size}};
  }
  if (*begin >= size) {
    return {true};
  }
  if (end && *end < *begin) {
    return {};
  }
  return {false, ByteRange{*begin, end ? std::min(*end, size - 1) + 1 : size}};
}

}  // namespace tetrarch::api::distribution
