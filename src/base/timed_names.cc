// SPDX-License-Identifier: Apache-2.0
#include "base/timed_names.h"

#include <algorithm>

#include <fmt/format.h>

namespace tetrarch {

std::string TimedNames::next(std::string_view name, TimePoint now) {
  constexpr std::uint64_t kChance = (1U << 20U) - 1;
  const std::chrono::nanoseconds since = now.time_since_epoch();
  const auto moment = static_cast<std::uint64_t>(since.count()) & ~kChance;
  last_ = std::max(last_ + 1, moment | (random_.next() & kChance));
  return fmt::format("{}.{:016x}", name, last_);
}

}  // namespace tetrarch
