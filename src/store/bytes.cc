// SPDX-License-Identifier: Apache-2.0
#include "store/bytes.h"

#include <algorithm>
#include <cstring>

namespace tetrarch::store {

void put_little(std::string& out, std::uint64_t number, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) {
    out += static_cast<char>(number >> (8 * i) & 0xff);
  }
}

std::uint64_t get_little(std::string_view in, std::size_t at, std::size_t bytes) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < bytes; ++i) {
    number |= std::uint64_t{static_cast<unsigned char>(in[at + i])} << (8 * i);
  }
  return number;
}

std::uint64_t digest(std::string_view bytes, std::uint64_t seed) {
  constexpr std::uint64_t kMultiplier = 0x9E3779B97F4A7C15U;  // odd
  std::uint64_t hash = seed ^ (bytes.size() * kMultiplier);
  while (!bytes.empty()) {
    std::uint64_t word = 0;
    const std::size_t size = std::min(bytes.size(), sizeof(word));
    std::memcpy(&word, bytes.data(), size);
    bytes.remove_prefix(size);
    hash = (hash ^ word) * kMultiplier;
    hash ^= hash >> 32;
  }
  return hash;
}

}  // namespace tetrarch::store
