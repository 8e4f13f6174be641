// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/service_endpoints.h"

#include <array>

#include <arpa/inet.h>

namespace tetrarch::api::kubernetes {
namespace {

bool may_be_dialled(const in_addr& address) {
  const auto bits = ntohl(address.s_addr);
  const auto first = bits >> 24U;
  const bool is_link_local = bits >> 16U == 0xA9FEU;  // 169.254.0.0/16
  const bool is_multicast = first >> 4U == 0xEU;      // 224.0.0.0/4
  return first != 0 && first != 127 && !is_link_local && !is_multicast;
}

bool may_be_dialled(const in6_addr& address) {
  if (IN6_IS_ADDR_V4MAPPED(&address)) {
    in_addr inside{};
    inside.s_addr = address.s6_addr32[3];
    return may_be_dialled(inside);
  }
  return !IN6_IS_ADDR_UNSPECIFIED(&address) && !IN6_IS_ADDR_LOOPBACK(&address) &&
         !IN6_IS_ADDR_LINKLOCAL(&address) && !IN6_IS_ADDR_MULTICAST(&address);
}

}  // namespace

client::ListQuery slices_of(std::string_view ns, std::string_view service) {
  client::ListQuery query;
  query.resource = "endpointslices.discovery.k8s.io";
  query.ns = ns;
  query.select.labels = "kubernetes.io/service-name=" + std::string(service);
  return query;
}

void add_endpoints(object::View slice, std::string_view port_name, std::vector<Endpoint>& out) {
  for (const auto port : slice["ports"].elements()) {
    if (port["name"].string() != port_name || port["protocol"].string("TCP") != "TCP") {
      continue;
    }
    for (const auto endpoint : slice["endpoints"].elements()) {
      const auto ready = endpoint["conditions"]["ready"];
      if ((ready && !ready.boolean()) || endpoint["addresses"].size() == 0) {
        continue;
      }
      const auto target = endpoint["targetRef"];
      const bool is_pod = target["kind"].string() == "Pod";
      out.push_back({std::string(endpoint["addresses"].at(0).string()),
                     static_cast<int>(port["port"].integer()),
                     std::string(is_pod ? target["namespace"].string() : ""),
                     std::string(is_pod ? target["name"].string() : "")});
    }
  }
}

bool has_address(object::View pod, std::string_view address) {
  for (const auto ip : pod["status"]["podIPs"].elements()) {
    if (ip["ip"].string() == address) {
      return true;
    }
  }
  return pod["status"]["podIP"].string() == address;
}

std::optional<std::string> name_of_port(object::View service, std::int64_t number) {
  for (const auto port : service["spec"]["ports"].elements()) {
    if (port["port"].integer() == number) {
      return std::string(port["name"].string());
    }
  }
  return std::nullopt;
}

bool may_be_dialled(const std::string& address) {
  in_addr v4{};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) {
    return may_be_dialled(v4);
  }
  in6_addr v6{};
  return inet_pton(AF_INET6, address.c_str(), &v6) == 1 && may_be_dialled(v6);
}

}  // namespace tetrarch::api::kubernetes
