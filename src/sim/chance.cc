// SPDX-License-Identifier: Apache-2.0
#include "sim/chance.h"

namespace tetrarch::sim {

/// Source: Steele, Lea, Flood: "Fast splittable pseudorandom number generators", SplitMix64.
std::uint64_t Chance::next() {
  state_ += 0x9E3779B97F4A7C15ULL;
  auto x = state_;
  x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27U)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31U);
}

std::int64_t Chance::between(std::int64_t low, std::int64_t high) {
  return low + static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(high - low + 1));
}

milliseconds Chance::between(milliseconds low, milliseconds high) {
  return milliseconds(between(low.count(), high.count()));
}

}  // namespace tetrarch::sim
