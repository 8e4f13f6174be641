// SPDX-License-Identifier: Apache-2.0
// IPv4 addresses and ranges as numbers, for the service range.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tetrarch::registry {

std::optional<std::uint32_t> parse_ipv4(std::string_view text);
std::string ipv4_text(std::uint32_t address);

/// The addresses of a CIDR that can be given away: all but the first (network) and the last
/// (broadcast).
struct AddressRange {
  std::uint32_t network = 0;
  int prefix = 0;
  std::string text;

  static std::optional<AddressRange> parse(std::string_view cidr);
  std::uint32_t size() const;  ///< usable ones

  std::uint32_t at(std::uint32_t place) const { return network + 1 + place; }

  bool contains(std::uint32_t address) const;
};

}  // namespace tetrarch::registry
