// SPDX-License-Identifier: Apache-2.0
#include "app/options.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include <fmt/format.h>

namespace tetrarch::app {
namespace {

constexpr std::int64_t kLongest = std::int64_t{100} * 365 * 24 * 3600;  // a century, in seconds

std::int64_t seconds_in(char unit) {
  switch (unit) {
    case 's':
      return 1;
    case 'm':
      return 60;
    case 'h':
      return 3600;
    case 'd':
      return std::int64_t{24} * 3600;
    default:
      return 0;
  }
}

}  // namespace

bool take_switch(std::vector<std::string>& words, std::string_view name) {
  return std::erase(words, "--" + std::string(name)) > 0;
}

Result<std::optional<std::string>> take_option(std::vector<std::string>& words,
                                               std::string_view name) {
  const auto flag = "--" + std::string(name);
  for (auto at = words.begin(); at != words.end(); ++at) {
    if (at->starts_with(flag + "=")) {
      std::optional<std::string> value(at->substr(flag.size() + 1));
      words.erase(at);
      return value;
    }
    if (*at == flag) {
      if (at + 1 == words.end()) {
        return Error{Code::invalid, fmt::format("{} needs a value", flag)};
      }
      std::optional<std::string> value(*(at + 1));
      words.erase(at, at + 2);
      return value;
    }
  }
  return std::optional<std::string>();
}

Result<std::chrono::seconds> parse_period(std::string_view text) {
  const Error refusal{Code::invalid,
                      fmt::format("'{}' is no period of time: say 90s, 15m, 24h or 7d", text)};
  if (text == "0") {
    return std::chrono::seconds(0);
  }
  std::int64_t total = 0;
  std::string_view rest = text;
  while (!rest.empty()) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    const auto used = static_cast<std::size_t>(end - rest.data());
    const auto unit = used < rest.size() ? seconds_in(rest[used]) : 0;
    if (error != std::errc{} || number < 0 || unit == 0 || number > kLongest / unit) {
      return refusal;
    }
    total = std::min(total + number * unit, kLongest);
    rest.remove_prefix(used + 1);
  }
  if (text.empty()) {
    return refusal;
  }
  return std::chrono::seconds(total);
}

}  // namespace tetrarch::app
