// SPDX-License-Identifier: Apache-2.0
#include "agent/network/address.h"

#include <charconv>

#include <arpa/inet.h>
#include <fmt/format.h>

namespace tetrarch::agent::network {
namespace {

std::uint32_t mask_of(int bits) {
  return bits == 0 ? 0 : ~std::uint32_t{0} << (32 - bits);
}

}  // namespace

bool Cidr::contains(std::uint32_t address) const {
  return (address & mask_of(bits)) == base;
}

std::string Cidr::text() const {
  return fmt::format("{}/{}", address_text(base), bits);
}

Result<std::uint32_t> parse_address(std::string_view text) {
  in_addr address{};
  if (inet_pton(AF_INET, std::string(text).c_str(), &address) != 1) {
    return Error{Code::invalid, fmt::format("\"{}\" is not an IPv4 address", text)};
  }
  return ntohl(address.s_addr);
}

std::string address_text(std::uint32_t address) {
  return fmt::format(
      "{}.{}.{}.{}", address >> 24, (address >> 16) & 255, (address >> 8) & 255, address & 255);
}

Result<Cidr> parse_cidr(std::string_view text) {
  const auto slash = text.find('/');
  const auto digits =
      slash == std::string_view::npos ? std::string_view("x") : text.substr(slash + 1);
  int bits = -1;
  const auto [rest, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  const auto base = parse_address(text.substr(0, slash));
  if (error != std::errc{} || rest != digits.data() + digits.size() || bits < 0 || bits > 32 ||
      !base.ok() || (*base & ~mask_of(bits)) != 0) {
    return Error{Code::invalid,
                 fmt::format("\"{}\" is not an IPv4 range such as 10.42.0.0/24", text)};
  }
  return Cidr{*base, bits};
}

}  // namespace tetrarch::agent::network
