// SPDX-License-Identifier: Apache-2.0
#include "control/slow_start.h"

#include <algorithm>

namespace tetrarch::control {

namespace {

using reconcile::Change;

bool is_create(const Change& change) {
  return change.verb == Change::Verb::create;
}

}  // namespace

std::size_t SlowStart::step(std::span<const Change> left) const {
  std::size_t creates = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    creates += is_create(left[i]) ? 1 : 0;
    if (creates > creates_max_) {
      return i;
    }
  }
  return left.size();
}

void SlowStart::settle(std::vector<Change>& changes,
                       std::span<const Result<Stored>> results,
                       std::size_t step) {
  for (std::size_t i = results.size() - step; i < results.size(); ++i) {
    if (is_create(changes[i]) && !results[i]) {
      const auto left = changes.begin() + static_cast<std::ptrdiff_t>(results.size());
      changes.erase(std::remove_if(left, changes.end(), is_create), changes.end());
      return;
    }
  }
  creates_max_ *= 2;
}

}  // namespace tetrarch::control
