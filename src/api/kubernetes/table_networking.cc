// SPDX-License-Identifier: Apache-2.0
// The columns of networking.k8s.io. Source: Kubernetes pkg/printers/internalversion/printers.go,
// v1.35, as it prints for a Table (wide).
#include <set>
#include <string>

#include <fmt/core.h>

#include "api/kubernetes/table.h"

namespace tetrarch::api::kubernetes {
namespace {

using object::View;

constexpr std::size_t kHostsMax = 3;

Cell ingress_hosts_cell(const Stored& ingress, TimePoint /*now*/) {
  std::string out;
  std::size_t count = 0;
  for (const View rule : ingress.root()["spec"]["rules"].elements()) {
    const auto host = rule["host"].string();
    if (!host.empty() && ++count <= kHostsMax) {
      out += out.empty() ? "" : ",";
      out += host;
    }
  }
  if (count > kHostsMax) {
    out += fmt::format(" + {} more...", count - kHostsMax);
  }
  return text_cell(count == 0 ? "*" : out);
}

Cell ingress_address_cell(const Stored& ingress, TimePoint /*now*/) {
  std::set<std::string_view> addresses;
  for (const View entry : ingress.root().find("status.loadBalancer.ingress").elements()) {
    const auto ip = entry["ip"].string();
    addresses.insert(ip.empty() ? entry["hostname"].string() : ip);
  }
  std::string out;
  for (const auto address : addresses) {
    out += out.empty() || address.empty() ? "" : ",";
    out += address;
  }
  return text_cell(out);
}

Cell ingress_ports_cell(const Stored& ingress, TimePoint /*now*/) {
  return text_cell(ingress.root()["spec"]["tls"].size() > 0 ? "80, 443" : "80");
}

Cell class_parameters_cell(const Stored& ingress_class, TimePoint /*now*/) {
  const View parameters = ingress_class.root()["spec"]["parameters"];
  if (!parameters) {
    return text_cell("<none>");
  }
  std::string out(parameters["kind"].string());
  if (const View group = parameters["apiGroup"]; group) {
    out += fmt::format(".{}", group.string());
  }
  return text_cell(fmt::format("{}/{}", out, parameters["name"].string()));
}

Cell parent_ref_cell(const Stored& address, TimePoint /*now*/) {
  const View parent = address.root()["spec"]["parentRef"];
  if (!parent) {
    return text_cell("<none>");
  }
  std::string out(parent["resource"].string());
  for (const auto& [part, before] :
       {std::pair("group", "."), std::pair("namespace", "/"), std::pair("name", "/")}) {
    if (const auto text = parent[part].string(); !text.empty()) {
      out += before;
      out += text;
    }
  }
  return text_cell(out);
}

Cell service_cidrs_cell(const Stored& cidr, TimePoint /*now*/) {
  std::string out;
  for (const View each : cidr.root()["spec"]["cidrs"].elements()) {
    out += out.empty() ? "" : ",";
    out += each.string();
  }
  return text_cell(out);
}

constexpr Computed kColumns[] = {
    {"ingress-hosts", ingress_hosts_cell},
    {"ingress-address", ingress_address_cell},
    {"ingress-ports", ingress_ports_cell},
    {"ingress-class-parameters", class_parameters_cell},
    {"parent-ref", parent_ref_cell},
    {"service-cidrs", service_cidrs_cell},
};

}  // namespace

std::span<const Computed> networking_columns() {
  return kColumns;
}

}  // namespace tetrarch::api::kubernetes
