// SPDX-License-Identifier: Apache-2.0
#include "schedule/tournament.h"

#include <algorithm>
#include <bit>

namespace tetrarch::schedule {

void Tournament::resize(std::size_t places) {
  scores_.assign(places, kInfeasible);
  leaves_ = std::max<std::size_t>(2, std::bit_ceil(places));
  winners_.assign(places == 0 ? 0 : leaves_, 0);
  if (places > 0) {
    rebuild();
  }
}

std::uint32_t Tournament::better(std::uint32_t left, std::uint32_t right) const {
  if (right >= scores_.size()) {
    return left;
  }
  return scores_[right] > scores_[left] ? right : left;
}

void Tournament::rebuild() {
  if (winners_.empty()) {
    return;
  }
  const auto leaf = [](std::size_t place) { return static_cast<std::uint32_t>(place); };
  for (std::size_t i = leaves_ - 1; i >= leaves_ / 2; --i) {
    const std::size_t place = 2 * (i - leaves_ / 2);
    winners_[i] =
        place < scores_.size() ? better(leaf(place), leaf(place + 1)) : leaf(scores_.size());
  }
  for (std::size_t i = leaves_ / 2 - 1; i >= 1; --i) {
    winners_[i] = better(winners_[2 * i], winners_[2 * i + 1]);
  }
}

void Tournament::set(std::size_t place, Score score) {
  scores_[place] = score;
  const std::size_t first = place & ~std::size_t{1};
  std::size_t i = leaves_ / 2 + place / 2;
  winners_[i] = better(static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(first + 1));
  for (i /= 2; i >= 1; i /= 2) {
    winners_[i] = better(winners_[2 * i], winners_[2 * i + 1]);
  }
}

}  // namespace tetrarch::schedule
