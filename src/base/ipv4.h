// SPDX-License-Identifier: Apache-2.0
// IPv4 addresses and ranges as numbers in host byte order. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tetrarch {

/// Dotted decimal, four parts; leading zeros are refused, since some programs read them as octal.
std::optional<std::uint32_t> parse_ipv4(std::string_view text);
std::string ipv4_text(std::uint32_t address);

/// The addresses that share their first `bits` bits; `base` is the first of them.
struct Ipv4Range {
  std::uint32_t base = 0;
  int bits = 32;

  /// "10.42.0.0/16". Code::invalid when it is no range or names an address inside one
  /// (10.42.0.1/16).
  static Result<Ipv4Range> parse(std::string_view text);

  /// The n-th address; 0 is the base. The caller keeps n below size().
  std::uint32_t at(std::uint32_t n) const { return base + n; }

  std::uint64_t size() const { return std::uint64_t{1} << (32 - bits); }

  bool contains(std::uint32_t address) const;
  bool overlaps(const Ipv4Range& other) const;
  std::string text() const;

  bool operator==(const Ipv4Range&) const = default;
};

}  // namespace tetrarch
