// SPDX-License-Identifier: Apache-2.0
// One range of bytes. Source: RFC 9110 section 14. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tetrarch::api::distribution {

struct ByteRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;  ///< one past the last
  bool operator==(const ByteRange&) const = default;
};

struct RangeAnswer {
  bool is_unsatisfiable = false;
  std::optional<ByteRange> part = {};  ///< empty: the whole
};

/// Of the header Range, for something of that size. What is no single range of bytes is passed
/// over, as the RFC allows.
RangeAnswer parse_range(std::string_view header, std::int64_t size);

}  // namespace tetrarch::api::distribution
