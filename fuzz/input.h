// SPDX-License-Identifier: Apache-2.0
// Input: how fuzz targets read what they are given. Lives no longer than the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tetrarch::fuzz {

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size)
      : left_(reinterpret_cast<const char*>(data), size) {}

  /// The next byte, 0 at the end: a choice that the input makes.
  std::size_t byte() {
    const auto first = take(1);
    return first.empty() ? 0 : static_cast<unsigned char>(first.front());
  }

  /// At most `size` bytes.
  std::string_view take(std::size_t size) {
    const auto out = left_.substr(0, size);
    left_.remove_prefix(out.size());
    return out;
  }

  /// Up to the next line feed, which is passed over.
  std::string_view line() {
    const auto out = take(left_.find('\n'));
    take(1);
    return out;
  }

  std::string_view rest() { return take(left_.size()); }

  bool is_empty() const { return left_.empty(); }

 private:
  std::string_view left_;
};

}  // namespace tetrarch::fuzz
