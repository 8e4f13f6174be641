// SPDX-License-Identifier: Apache-2.0
// Looks for the bytes that end or interrupt the text of a JSON string, eight at a time. Private to
// this room: it is the inner loop of writing and indexing.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace tetrarch::object {

/// The place, from `at` on, of the first quote, backslash or control character; the size where
/// there is none.
inline std::size_t find_special(std::string_view text, std::size_t at) {
  static_assert(std::endian::native == std::endian::little);
  constexpr std::uint64_t kOnes = 0x0101010101010101ULL;
  constexpr std::uint64_t kHighs = 0x8080808080808080ULL;
  // Marks the lowest zero byte; bytes above it may be marked wrongly, which does not matter here.
  const auto zeros = [](std::uint64_t word) { return (word - kOnes) & ~word & kHighs; };
  for (; at + 8 <= text.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, 8);
    const std::uint64_t controls = (word - kOnes * 0x20) & ~word & kHighs;
    const std::uint64_t found =
        zeros(word ^ (kOnes * '"')) | zeros(word ^ (kOnes * '\\')) | controls;
    if (found != 0) {
      return at + static_cast<std::size_t>(std::countr_zero(found)) / 8;
    }
  }
  for (; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte == '"' || byte == '\\' || byte < 0x20) {
      return at;
    }
  }
  return at;
}

}  // namespace tetrarch::object
