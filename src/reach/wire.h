// SPDX-License-Identifier: Apache-2.0
// Big-endian numbers in byte strings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tetrarch::reach {

inline void append_u32(std::string& out, std::uint32_t value) {
  for (const unsigned shift : {24U, 16U, 8U, 0U}) {
    out += static_cast<char>(value >> shift & 0xFFU);
  }
}

/// The first four bytes; the caller has checked that they are there.
inline std::uint32_t read_u32(std::string_view bytes) {
  std::uint32_t value = 0;
  for (const char c : bytes.substr(0, 4)) {
    value = value << 8U | static_cast<unsigned char>(c);
  }
  return value;
}

}  // namespace tetrarch::reach
