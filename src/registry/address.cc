// SPDX-License-Identifier: Apache-2.0
#include "registry/address.h"

namespace tetrarch::registry {

std::optional<AddressRange> AddressRange::parse(std::string_view cidr) {
  const auto range = Ipv4Range::parse(cidr);
  constexpr int kBitsMax = 30;
  if (!range.ok() || range->bits == 0 || range->bits > kBitsMax) {
    return std::nullopt;
  }
  return AddressRange(*range);
}

}  // namespace tetrarch::registry
