// SPDX-License-Identifier: Apache-2.0
// Rules of Endpoints and EndpointSlices.
// Source: Kubernetes pkg/apis/core/validation/validation.go and
// pkg/apis/discovery/validation/validation.go, v1.34.
#include <array>
#include <set>
#include <string>

#include <arpa/inet.h>

#include "schema/formats.h"
#include "schema/rules.h"
#include "schema/views/discovery.h"

namespace tetrarch::schema {

namespace {

constexpr std::size_t kEndpointsMax = 1000;
constexpr std::size_t kAddressesMax = 100;
constexpr std::size_t kPortsMax = 20000;

bool is_address(int family, std::string_view text) {
  std::array<unsigned char, sizeof(in6_addr)> address{};
  return inet_pton(family, std::string{text}.c_str(), address.data()) == 1;
}

void check_address(Problems& problems,
                   const std::string& path,
                   std::string_view type,
                   std::string_view address) {
  if (type == "IPv4" && !is_address(AF_INET, address)) {
    problems.invalid(path, address, "must be a valid IPv4 address");
  } else if (type == "IPv6" && !is_address(AF_INET6, address)) {
    problems.invalid(path, address, "must be a valid IPv6 address");
  } else if (type == "FQDN") {
    problems.invalid_each(path, address, object::dns_subdomain_faults(address));
  }
}

void check_endpoints(Problems& problems, const Site& site, const views::EndpointSliceView& slice) {
  std::size_t index = 0;
  for (const auto endpoint : slice.endpoints()) {
    const auto path = join_path(index_path(site.at("endpoints"), index++), "addresses");
    if (endpoint.addresses().size() > kAddressesMax) {
      problems.too_many(path, endpoint.addresses().size(), kAddressesMax);
    }
    std::size_t place = 0;
    for (const auto address : endpoint.addresses()) {
      check_address(problems, index_path(path, place++), slice.address_type(), address);
    }
  }
}

void check_slice_ports(Problems& problems,
                       const Site& site,
                       const views::EndpointSliceView& slice) {
  std::set<std::string_view> names;
  std::size_t index = 0;
  for (const auto port : slice.ports()) {
    const auto path = join_path(index_path(site.at("ports"), index++), "name");
    if (!port.name().empty()) {
      problems.invalid_each(path, port.name(), object::dns_label_faults(port.name()));
    }
    if (!names.insert(port.name()).second) {
      problems.duplicate(path, port.name());
    }
  }
}

}  // namespace

void check_endpoint_subset(Problems& problems, const Site& site) {
  if (site.fresh["addresses"].size() == 0 && site.fresh["notReadyAddresses"].size() == 0) {
    problems.required(site.path, "must specify `addresses` or `notReadyAddresses`");
  }
}

void check_endpoint_slice(Problems& problems, const Site& site) {
  const views::EndpointSliceView slice{site.fresh};
  if (slice.endpoints().size() > kEndpointsMax) {
    problems.too_many(site.at("endpoints"), slice.endpoints().size(), kEndpointsMax);
    return;
  }
  if (slice.ports().size() > kPortsMax) {
    problems.too_many(site.at("ports"), slice.ports().size(), kPortsMax);
    return;
  }
  check_endpoints(problems, site, slice);
  check_slice_ports(problems, site, slice);
}

}  // namespace tetrarch::schema
