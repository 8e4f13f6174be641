// SPDX-License-Identifier: Apache-2.0
// Rules of Services. Addresses and node ports that the server gives are filled in (create) or
// carried over (update) by the registry before this. Source: Kubernetes
// pkg/apis/core/validation/validation.go, ValidateService, v1.34.
#include <set>

#include <fmt/format.h>

#include "schema/formats.h"
#include "schema/rules.h"
#include "schema/views/core.h"

namespace tetrarch::schema {

namespace {

using views::ServiceSpecView;

constexpr std::string_view kHeadless = "None";

bool is_outside(std::string_view type) {
  return type == "NodePort" || type == "LoadBalancer";
}

struct SeenPorts {
  std::set<std::string_view> names;
  std::set<std::string> ports;
  std::set<std::string> node_ports;
};

void check_port(Problems& problems,
                const std::string& path,
                const ServiceSpecView& spec,
                const views::ServicePortView& port,
                SeenPorts& seen) {
  const auto name = join_path(path, "name");
  if (port.name().empty() && spec.ports().size() > 1) {
    problems.required(name);
  } else if (!port.name().empty()) {
    problems.invalid_each(name, port.name(), object::dns_label_faults(port.name()));
    if (!seen.names.insert(port.name()).second) {
      problems.duplicate(name, port.name());
    }
  }
  if (!seen.ports.insert(fmt::format("{}/{}", port.protocol(), port.port())).second) {
    problems.duplicate(path, fmt::format("{}/{}", port.port(), port.protocol()));
  }
  if (port.node_port() == 0) {
    return;
  }
  if (!is_outside(spec.type())) {
    problems.forbidden(join_path(path, "nodePort"),
                       fmt::format("may not be used when `type` is '{}'", spec.type()));
  }
  if (!seen.node_ports.insert(fmt::format("{}/{}", port.protocol(), port.node_port())).second) {
    problems.duplicate(join_path(path, "nodePort"), std::to_string(port.node_port()));
  }
}

void check_ports(Problems& problems, const Site& site, const ServiceSpecView& spec) {
  const bool is_headless = spec.cluster_ip() == kHeadless;
  if (spec.ports().empty() && !is_headless && spec.type() != "ExternalName") {
    problems.required(site.at("ports"));
  }
  SeenPorts seen;
  std::size_t index = 0;
  for (const auto port : spec.ports()) {
    check_port(problems, index_path(site.at("ports"), index++), spec, port, seen);
  }
}

void check_addresses(Problems& problems, const Site& site, const ServiceSpecView& spec) {
  std::size_t index = 0;
  for (const auto address : spec.cluster_ips()) {
    const auto path = index_path(site.at("clusterIPs"), index++);
    if (address != kHeadless) {
      problems.invalid_each(path, address, ip_faults(address));
    } else if (spec.cluster_ips().size() > 1) {
      problems.invalid(site.at("clusterIPs"),
                       spec.cluster_ips().view(),
                       "'None' must be the first and only value");
    }
  }
  if (spec.cluster_ips().empty() && !spec.cluster_ip().empty() && spec.cluster_ip() != kHeadless) {
    problems.invalid_each(site.at("clusterIP"), spec.cluster_ip(), ip_faults(spec.cluster_ip()));
  }
  const auto first = spec.cluster_ips().at(0);
  if (!first.empty() && !spec.cluster_ip().empty() && first != spec.cluster_ip()) {
    problems.invalid(
        site.at("clusterIPs"), spec.cluster_ips().view(), "first value must match `clusterIP`");
  }
  index = 0;
  for (const auto address : spec.external_ips()) {
    const auto path = index_path(site.at("externalIPs"), index++);
    problems.invalid_each(path, address, ip_faults(address));
  }
}

void check_type(Problems& problems, const Site& site, const ServiceSpecView& spec) {
  if (is_outside(spec.type()) && spec.cluster_ip() == kHeadless) {
    problems.invalid(index_path(site.at("clusterIPs"), 0),
                     kHeadless,
                     fmt::format("may not be set to 'None' for {} services", spec.type()));
  }
  if (spec.type() == "ExternalName") {
    const bool has_address = !spec.cluster_ips().empty() || !spec.cluster_ip().empty();
    if (has_address) {
      problems.forbidden(site.at("clusterIPs"), "may not be set when `type` is 'ExternalName'");
    }
    if (spec.external_name().empty()) {
      problems.required(site.at("externalName"));
    } else {
      auto name = spec.external_name();
      name.remove_suffix(name.ends_with('.') ? 1 : 0);
      problems.invalid_each(
          site.at("externalName"), spec.external_name(), object::dns_subdomain_faults(name));
    }
  }
  if (!spec.external_traffic_policy().empty() && !is_outside(spec.type()) &&
      spec.external_ips().empty()) {
    problems.invalid(site.at("externalTrafficPolicy"),
                     spec.external_traffic_policy(),
                     "may only be set for externally-accessible services");
  }
  const bool has_health_port =
      spec.type() == "LoadBalancer" && spec.external_traffic_policy() == "Local";
  if (spec.health_check_node_port() != 0 && !has_health_port) {
    problems.invalid(
        site.at("healthCheckNodePort"),
        site.fresh["healthCheckNodePort"],
        "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'");
  }
  if (spec.session_affinity() == "None" && spec.session_affinity_config()) {
    problems.forbidden(site.at("sessionAffinityConfig"),
                       "must not be set when session affinity is None");
  }
}

/// A given address stays, unless the service turns into or comes from an ExternalName.
void check_kept_address(Problems& problems, const Site& site, const ServiceSpecView& spec) {
  const ServiceSpecView old{site.old};
  const bool has_addresses = spec.type() != "ExternalName" && old.type() != "ExternalName";
  if (has_addresses && !old.cluster_ip().empty() && old.cluster_ip() != spec.cluster_ip()) {
    const auto path = index_path(site.at("clusterIPs"), 0);
    problems.invalid(path, spec.cluster_ip(), "may not change once set");
  }
}

}  // namespace

void check_service(Problems& problems, const Site& site) {
  const auto inner = site.child("spec");
  const ServiceSpecView spec{inner.fresh};
  check_ports(problems, inner, spec);
  check_addresses(problems, inner, spec);
  check_type(problems, inner, spec);
  if (site.is_update()) {
    check_kept_address(problems, inner, spec);
  }
}

}  // namespace tetrarch::schema
