// SPDX-License-Identifier: Apache-2.0
// The columns of a node. Seen: kubectl get nodes -o wide, 1.20 to 1.35.
#include <set>

#include "api/kubernetes/table.h"

namespace tetrarch::api::kubernetes {
namespace {

Cell status_cell(const Stored& node, TimePoint /*now*/) {
  std::string out = "Unknown";
  for (const auto condition : node.root()["status"]["conditions"].elements()) {
    if (condition["type"].string() == "Ready") {
      out = condition["status"].string() == "True" ? "Ready" : "NotReady";
    }
  }
  if (node.root()["spec"]["unschedulable"].boolean()) {
    out += ",SchedulingDisabled";
  }
  return text_cell(out);
}

Cell roles_cell(const Stored& node, TimePoint /*now*/) {
  constexpr std::string_view kPrefix = "node-role.kubernetes.io/";
  std::set<std::string_view> roles;
  for (const auto& [key, value] : node.metadata()["labels"].members()) {
    if (key.starts_with(kPrefix) && key.size() > kPrefix.size()) {
      roles.insert(key.substr(kPrefix.size()));
    } else if (key == "kubernetes.io/role" && !value.string().empty()) {
      roles.insert(value.string());
    }
  }
  std::string out;
  for (const auto role : roles) {
    out += out.empty() ? "" : ",";
    out += role;
  }
  return text_cell(out.empty() ? "<none>" : out);
}

Cell address_cell(const Stored& node, std::string_view type) {
  for (const auto address : node.root()["status"]["addresses"].elements()) {
    if (address["type"].string() == type) {
      return text_cell(address["address"].string());
    }
  }
  return text_cell("<none>");
}

Cell internal_ip_cell(const Stored& node, TimePoint /*now*/) {
  return address_cell(node, "InternalIP");
}

Cell external_ip_cell(const Stored& node, TimePoint /*now*/) {
  return address_cell(node, "ExternalIP");
}

constexpr Computed kColumns[] = {
    {"node-status", status_cell},
    {"node-roles", roles_cell},
    {"node-internal-ip", internal_ip_cell},
    {"node-external-ip", external_ip_cell},
};

}  // namespace

std::span<const Computed> node_columns() {
  return kColumns;
}

}  // namespace tetrarch::api::kubernetes
