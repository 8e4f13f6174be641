// SPDX-License-Identifier: Apache-2.0
#include "registry/address.h"

#include <charconv>

#include <fmt/format.h>

namespace tetrarch::registry {

namespace {

constexpr int kBits = 32;
constexpr std::uint32_t kOctetMax = 255;

std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t max) {
  std::uint32_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_whole = fault == std::errc() && end == text.data() + text.size() && !text.empty();
  // A leading zero is read as octal by some and refused by Kubernetes.
  if (!is_whole || value > max || (text.size() > 1 && text.front() == '0')) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

std::optional<std::uint32_t> parse_ipv4(std::string_view text) {
  std::uint32_t out = 0;
  for (int i = 0; i < 4; ++i) {
    const auto dot = text.find('.');
    if ((dot == std::string_view::npos) != (i == 3)) {
      return std::nullopt;
    }
    const auto octet = parse_number(text.substr(0, dot), kOctetMax);
    if (!octet) {
      return std::nullopt;
    }
    out = out << 8U | *octet;
    text.remove_prefix(i == 3 ? text.size() : dot + 1);
  }
  return out;
}

std::string ipv4_text(std::uint32_t address) {
  return fmt::format("{}.{}.{}.{}",
                     address >> 24U,
                     address >> 16U & kOctetMax,
                     address >> 8U & kOctetMax,
                     address & kOctetMax);
}

std::optional<AddressRange> AddressRange::parse(std::string_view cidr) {
  const auto slash = cidr.find('/');
  if (slash == std::string_view::npos) {
    return std::nullopt;
  }
  const auto address = parse_ipv4(cidr.substr(0, slash));
  const auto prefix = parse_number(cidr.substr(slash + 1), kBits - 2);
  if (!address || !prefix || *prefix == 0) {
    return std::nullopt;
  }
  const auto host_bits = static_cast<unsigned>(kBits) - *prefix;
  AddressRange out;
  out.prefix = static_cast<int>(*prefix);
  out.network = *address >> host_bits << host_bits;
  out.text = fmt::format("{}/{}", ipv4_text(out.network), *prefix);
  return out;
}

std::uint32_t AddressRange::size() const {
  return (std::uint32_t{1} << static_cast<unsigned>(kBits - prefix)) - 2;
}

bool AddressRange::contains(std::uint32_t address) const {
  return address > network && address <= network + size();
}

}  // namespace tetrarch::registry
