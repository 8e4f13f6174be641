// SPDX-License-Identifier: Apache-2.0
#include "trust/attempt_limit.h"

#include <algorithm>
#include <cmath>

namespace tetrarch::trust {

double AttemptLimit::failures_now(const Entry& entry, TimePoint now) const {
  const std::chrono::duration<double> passed = std::max(now, entry.at) - entry.at;
  const std::chrono::duration<double> one = options_.forgets_one;
  return std::max(entry.failures - passed / one, 0.0);
}

std::chrono::seconds AttemptLimit::wait_of(std::string_view address, TimePoint now) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(address);
  if (found == entries_.end()) {
    return std::chrono::seconds(0);
  }
  const auto over = failures_now(found->second, now) + 1 - options_.failures_max;
  if (over <= 0) {
    return std::chrono::seconds(0);
  }
  const std::chrono::duration<double> wait = over * options_.forgets_one;
  return std::chrono::seconds(static_cast<std::int64_t>(std::ceil(wait.count())));
}

void AttemptLimit::note_failure(std::string_view address, TimePoint now) {
  const std::lock_guard lock(mutex_);
  auto found = entries_.find(address);
  if (found == entries_.end()) {
    make_room(now);
    found = entries_.emplace(std::string(address), Entry{0, now}).first;
  }
  auto& entry = found->second;
  entry.failures = failures_now(entry, now) + 1;
  entry.at = now;
}

void AttemptLimit::make_room(TimePoint now) {
  std::erase_if(entries_, [&](const auto& each) { return failures_now(each.second, now) <= 0; });
  if (entries_.size() < options_.addresses_max) {
    return;
  }
  const auto quietest =
      std::min_element(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) {
        return a.second.at < b.second.at;
      });
  entries_.erase(quietest);
}

std::size_t AttemptLimit::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

std::string_view without_port(std::string_view address) {
  const auto colon = address.rfind(':');
  const bool is_port =
      colon != std::string_view::npos && address.find(']', colon) == std::string_view::npos;
  return is_port ? address.substr(0, colon) : address;
}

}  // namespace tetrarch::trust
