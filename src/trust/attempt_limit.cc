// SPDX-License-Identifier: Apache-2.0
#include "trust/attempt_limit.h"

#include <algorithm>

namespace tetrarch::trust {

std::chrono::seconds AttemptLimit::wait_of(std::string_view address, TimePoint now) {
  const std::lock_guard lock(mutex_);
  const auto found = forgotten_at_.find(address);
  if (found == forgotten_at_.end()) {
    return std::chrono::seconds(0);
  }
  const auto may_be_left = (options_.failures_max - 1) * options_.forgets_one;
  const auto wait = found->second - now - may_be_left;
  return std::max(std::chrono::ceil<std::chrono::seconds>(wait), std::chrono::seconds(0));
}

void AttemptLimit::note_failure(std::string_view address, TimePoint now) {
  const std::lock_guard lock(mutex_);
  auto found = forgotten_at_.find(address);
  if (found == forgotten_at_.end()) {
    make_room(now);
    found = forgotten_at_.emplace(std::string(address), now).first;
  }
  found->second = std::max(found->second, now) + options_.forgets_one;
}

void AttemptLimit::make_room(TimePoint now) {
  std::erase_if(forgotten_at_, [&](const auto& each) { return each.second <= now; });
  if (forgotten_at_.size() < options_.addresses_max) {
    return;
  }
  const auto by_time = [](const auto& a, const auto& b) { return a.second < b.second; };
  forgotten_at_.erase(std::min_element(forgotten_at_.begin(), forgotten_at_.end(), by_time));
}

std::size_t AttemptLimit::size() const {
  const std::lock_guard lock(mutex_);
  return forgotten_at_.size();
}

std::string_view without_port(std::string_view address) {
  const auto colon = address.rfind(':');
  const bool is_port =
      colon != std::string_view::npos && address.find(']', colon) == std::string_view::npos;
  return is_port ? address.substr(0, colon) : address;
}

}  // namespace tetrarch::trust
