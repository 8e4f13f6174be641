// SPDX-License-Identifier: Apache-2.0
// IPv4 addresses and ranges as numbers (host byte order).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tetrarch::agent::network {

struct Cidr {
  std::uint32_t base = 0;  ///< first address
  int bits = 32;

  bool contains(std::uint32_t address) const;

  /// The n-th address of the range; 0 is the base.
  std::uint32_t address(std::uint32_t n) const { return base + n; }

  std::string text() const;
};

Result<std::uint32_t> parse_address(std::string_view text);
std::string address_text(std::uint32_t address);
/// "10.42.0.0/24"; bits beyond the prefix must be zero.
Result<Cidr> parse_cidr(std::string_view text);

}  // namespace tetrarch::agent::network
