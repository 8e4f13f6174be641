// SPDX-License-Identifier: Apache-2.0
// Chance comes only from a Random, handed in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace tetrarch {

/// A seam: the system's generator in production, a seeded one in tests and the simulator.
/// Thread-safe.
class Random {
 public:
  virtual ~Random() = default;
  virtual std::uint64_t next() = 0;
};

/// The kernel's generator; fit for keys and tokens; lives for the whole process.
Random& system_random();

/// A version 4 UUID in the usual text form.
std::string make_uuid(Random& random);
/// `length` characters from an alphabet without vowels and look-alikes, as generateName appends
/// them.
std::string make_suffix(Random& random, std::size_t length = 5);
/// `length` random bytes.
std::string make_bytes(Random& random, std::size_t length);

}  // namespace tetrarch
