// SPDX-License-Identifier: Apache-2.0
// The addresses of the service range that can be given to services.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ipv4.h"

namespace tetrarch::registry {

/// A range without its first (network) and last (broadcast) address.
class AddressRange {
 public:
  /// Nothing when `cidr` is no range or leaves no address.
  static std::optional<AddressRange> parse(std::string_view cidr);

  std::uint32_t size() const { return static_cast<std::uint32_t>(range_.size() - 2); }

  std::uint32_t at(std::uint32_t place) const { return range_.at(place + 1); }

  bool contains(std::uint32_t address) const {
    return range_.contains(address) && address != range_.base && address != at(size());
  }

  std::string text() const { return range_.text(); }

 private:
  explicit AddressRange(Ipv4Range range) : range_(range) {}

  Ipv4Range range_;
};

}  // namespace tetrarch::registry
