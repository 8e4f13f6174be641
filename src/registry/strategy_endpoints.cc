// SPDX-License-Identifier: Apache-2.0
// Endpoints and EndpointSlices: nobody leads a service to what is each machine's own, such as its
// loopback or the metadata of its cloud.
// Source: Kubernetes pkg/apis/core/validation/validation.go (ValidateEndpointIP; until v1.33
// ValidateNonSpecialIP) and pkg/apis/discovery/validation/validation.go, v1.34: endpoints that an
// update leaves as they are are not looked at.
#include <cstdint>
#include <string>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "base/ipv4.h"
#include "registry/strategy.h"

namespace tetrarch::registry {

using object::View;

namespace {

enum class Special : std::uint8_t { none, unspecified, loopback, link_local, link_multicast };

Special special_of(std::uint32_t v4) {
  return v4 == 0                   ? Special::unspecified
         : v4 >> 24U == 127        ? Special::loopback
         : v4 >> 16U == 0xa9fe     ? Special::link_local
         : v4 >> 8U == 0xe0'00'00U ? Special::link_multicast
                                   : Special::none;
}

Special special_of(const in6_addr& v6) {
  if (IN6_IS_ADDR_V4MAPPED(&v6)) {
    return special_of(ntohl(v6.s6_addr32[3]));
  }
  return IN6_IS_ADDR_UNSPECIFIED(&v6)    ? Special::unspecified
         : IN6_IS_ADDR_LOOPBACK(&v6)     ? Special::loopback
         : IN6_IS_ADDR_LINKLOCAL(&v6)    ? Special::link_local
         : IN6_IS_ADDR_MC_LINKLOCAL(&v6) ? Special::link_multicast
                                         : Special::none;
}

/// What is no address is for the tables to refuse.
Special special_of(const std::string& address) {
  if (const auto v4 = parse_ipv4(address)) {
    return special_of(*v4);
  }
  in6_addr v6{};
  return inet_pton(AF_INET6, address.c_str(), &v6) == 1 ? special_of(v6) : Special::none;
}

/// What it may not be; empty: it may be an endpoint.
std::string special_fault(const std::string& address) {
  switch (special_of(address)) {
    case Special::none:
      return {};
    case Special::unspecified:
      return fmt::format("may not be unspecified ({})", address);
    case Special::loopback:
      return "may not be in the loopback range (127.0.0.0/8, ::1/128)";
    case Special::link_local:
      return "may not be in the link-local range (169.254.0.0/16, fe80::/10)";
    case Special::link_multicast:
      return "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)";
  }
  return {};
}

void check_address(const std::string& path, View address, FieldErrors& faults) {
  const std::string text(address.string());
  if (const auto fault = special_fault(text); !fault.empty()) {
    faults.push_back(invalid_text(path, text, fault));
  }
}

void check_subset(const std::string& path, View subset, FieldErrors& faults) {
  for (const auto* list : {"addresses", "notReadyAddresses"}) {
    std::size_t i = 0;
    for (const auto address : subset[list].elements()) {
      check_address(fmt::format("{}.{}[{}].ip", path, list, i++), address["ip"], faults);
    }
  }
}

void check_subsets(View fresh, View old, FieldErrors& faults) {
  if (fresh["subsets"].same_as(old["subsets"])) {
    return;
  }
  std::size_t i = 0;
  for (const auto subset : fresh["subsets"].elements()) {
    check_subset(fmt::format("subsets[{}]", i++), subset, faults);
  }
}

void check_slice(View fresh, View old, FieldErrors& faults) {
  if (fresh["endpoints"].same_as(old["endpoints"]) || fresh["addressType"].string() == "FQDN") {
    return;
  }
  std::size_t i = 0;
  for (const auto endpoint : fresh["endpoints"].elements()) {
    std::size_t j = 0;
    for (const auto address : endpoint["addresses"].elements()) {
      check_address(fmt::format("endpoints[{}].addresses[{}]", i, j++), address, faults);
    }
    ++i;
  }
}

}  // namespace

Strategy endpoints_strategy() {
  Strategy out;
  out.creates_on_update = true;
  out.check_from_outside = &check_subsets;
  return out;
}

Strategy endpoint_slices_strategy() {
  Strategy out;
  out.check_from_outside = &check_slice;
  return out;
}

}  // namespace tetrarch::registry
