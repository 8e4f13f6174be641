// SPDX-License-Identifier: Apache-2.0
// Chance: all that is left to chance in a simulation comes from one seed. Each part has a stream of
// its own, so that one which asks more often does not change what the others are told.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/random.h"

namespace tetrarch::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Used on one thread.
class Chance final : public Random {
 public:
  explicit Chance(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() override;

  /// A stream of its own.
  Chance branch() { return Chance(next()); }

  /// 0 to count - 1; `count` is not 0.
  std::size_t below(std::size_t count) { return next() % count; }

  /// Both ends included.
  std::int64_t between(std::int64_t low, std::int64_t high);
  milliseconds between(milliseconds low, milliseconds high);

  bool one_in(std::uint64_t count) { return next() % count == 0; }

  /// True that many times in 1,000.
  bool per_mille(int times) { return next() % 1000 < static_cast<std::uint64_t>(times); }

 private:
  std::uint64_t state_;
};

}  // namespace tetrarch::sim
