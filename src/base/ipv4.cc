// SPDX-License-Identifier: Apache-2.0
#include "base/ipv4.h"

#include <charconv>

#include <fmt/format.h>

namespace tetrarch {
namespace {

std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t max) {
  std::uint32_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_whole = fault == std::errc() && end == text.data() + text.size();
  if (!is_whole || value > max || (text.size() > 1 && text.front() == '0')) {
    return std::nullopt;
  }
  return value;
}

std::uint32_t mask_of(int bits) {
  return bits == 0 ? 0 : ~std::uint32_t{0} << (32 - bits);
}

}  // namespace

std::optional<std::uint32_t> parse_ipv4(std::string_view text) {
  std::uint32_t out = 0;
  for (int part = 0; part < 4; ++part) {
    const auto dot = text.find('.');
    const bool is_last = dot == std::string_view::npos;
    const auto octet = parse_number(text.substr(0, dot), 255);
    if (is_last != (part == 3) || !octet) {
      return std::nullopt;
    }
    out = out << 8 | *octet;
    text = is_last ? std::string_view() : text.substr(dot + 1);
  }
  return out;
}

std::string ipv4_text(std::uint32_t address) {
  return fmt::format(
      "{}.{}.{}.{}", address >> 24, (address >> 16) & 255, (address >> 8) & 255, address & 255);
}

Result<Ipv4Range> Ipv4Range::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto base = parse_ipv4(text.substr(0, slash));
  const auto bits = slash == std::string_view::npos ? std::optional<std::uint32_t>()
                                                    : parse_number(text.substr(slash + 1), 32);
  if (!base || !bits) {
    return Error{Code::invalid,
                 fmt::format("\"{}\" is not an IPv4 range such as 10.42.0.0/16", text)};
  }
  const Ipv4Range out{*base & mask_of(static_cast<int>(*bits)), static_cast<int>(*bits)};
  if (out.base != *base) {
    return Error{
        Code::invalid,
        fmt::format("\"{}\" is an address, not a range; its range is {}", text, out.text())};
  }
  return out;
}

bool Ipv4Range::contains(std::uint32_t address) const {
  return (address & mask_of(bits)) == base;
}

bool Ipv4Range::overlaps(const Ipv4Range& other) const {
  return contains(other.base) || other.contains(base);
}

std::string Ipv4Range::text() const {
  return fmt::format("{}/{}", ipv4_text(base), bits);
}

}  // namespace tetrarch
