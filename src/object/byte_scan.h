// SPDX-License-Identifier: Apache-2.0
// Looks for the bytes that end or interrupt the text of a JSON string, sixteen or eight at a time.
// Private to this room: it is the inner loop of writing, indexing and looking into documents.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace tetrarch::object {

/// The place, from `at` on, of the first quote, backslash or control character; the size where
/// there is none.
inline std::size_t find_special(std::string_view text, std::size_t at) {
  static_assert(std::endian::native == std::endian::little);
#ifdef __SSE2__
  for (; at + 16 <= text.size(); at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at));
    const __m128i last_control = _mm_set1_epi8(0x1f);
    const __m128i found = _mm_or_si128(
        _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                     _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))),
        _mm_cmpeq_epi8(_mm_max_epu8(bytes, last_control), last_control));  // none is larger
    if (const auto places = static_cast<unsigned>(_mm_movemask_epi8(found)); places != 0) {
      return at + static_cast<std::size_t>(std::countr_zero(places));
    }
  }
#endif
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
