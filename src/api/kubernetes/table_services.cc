// SPDX-License-Identifier: Apache-2.0
// The columns of services and of what stands behind them. Seen: kubectl get
// svc,ep,endpointslices 1.20 to 1.35.
#include <fmt/core.h>

#include "api/kubernetes/table.h"

namespace tetrarch::api::kubernetes {
namespace {

using object::View;

constexpr std::size_t kShownMax = 3;

/// "a,b,c" and " + 2 more..." behind the first three.
class ShortList {
 public:
  void add(std::string_view text) {
    if (++count_ <= kShownMax) {
      out_ += out_.empty() ? "" : ",";
      out_ += text;
    }
  }

  std::string text(std::string_view if_empty) const {
    if (count_ == 0) {
      return std::string(if_empty);
    }
    return count_ > kShownMax ? fmt::format("{} + {} more...", out_, count_ - kShownMax) : out_;
  }

 private:
  std::string out_;
  std::size_t count_ = 0;
};

std::string join(std::string_view a, std::string_view b) {
  return std::string(a) + (a.empty() || b.empty() ? "" : ",") + std::string(b);
}

std::string joined_strings(View list) {
  std::string out;
  for (const auto item : list.elements()) {
    out = join(out, item.string());
  }
  return out;
}

Cell external_ip_cell(const Stored& service, TimePoint /*now*/) {
  const auto spec = service.root()["spec"];
  const auto type = spec["type"].string("ClusterIP");
  if (type == "ExternalName") {
    return text_cell(spec["externalName"].string());
  }
  auto out = joined_strings(spec["externalIPs"]);
  if (type == "LoadBalancer") {
    std::string ingress;
    for (const auto entry : service.root().find("status.loadBalancer.ingress").elements()) {
      ingress = join(ingress, entry["ip"].string(entry["hostname"].string()));
    }
    out = join(ingress, out);
  }
  return text_cell(!out.empty() ? out : type == "LoadBalancer" ? "<pending>" : "<none>");
}

Cell ports_cell(const Stored& service, TimePoint /*now*/) {
  std::string out;
  for (const auto port : service.root()["spec"]["ports"].elements()) {
    const auto number = port["port"].integer();
    const auto node_port = port["nodePort"].integer();
    const auto protocol = port["protocol"].string("TCP");
    out = join(out,
               node_port != 0 ? fmt::format("{}:{}/{}", number, node_port, protocol)
                              : fmt::format("{}/{}", number, protocol));
  }
  return text_cell(out.empty() ? "<none>" : out);
}

std::string host_and_port(std::string_view ip, std::int64_t port) {
  return ip.find(':') == std::string_view::npos ? fmt::format("{}:{}", ip, port)
                                                : fmt::format("[{}]:{}", ip, port);
}

Cell endpoints_cell(const Stored& endpoints, TimePoint /*now*/) {
  ShortList out;
  for (const auto subset : endpoints.root()["subsets"].elements()) {
    if (subset["ports"].size() == 0) {
      for (const auto address : subset["addresses"].elements()) {
        out.add(address["ip"].string());
      }
    }
    for (const auto port : subset["ports"].elements()) {
      for (const auto address : subset["addresses"].elements()) {
        out.add(host_and_port(address["ip"].string(), port["port"].integer()));
      }
    }
  }
  return text_cell(out.text("<none>"));
}

Cell slice_ports_cell(const Stored& slice, TimePoint /*now*/) {
  ShortList out;
  for (const auto port : slice.root()["ports"].elements()) {
    out.add(port["port"] ? std::to_string(port["port"].integer()) : "*");
  }
  return text_cell(out.text("<unset>"));
}

Cell slice_endpoints_cell(const Stored& slice, TimePoint /*now*/) {
  ShortList out;
  for (const auto endpoint : slice.root()["endpoints"].elements()) {
    for (const auto address : endpoint["addresses"].elements()) {
      out.add(address.string());
    }
  }
  return text_cell(out.text("<unset>"));
}

constexpr Computed kColumns[] = {
    {"service-external-ip", external_ip_cell},
    {"service-ports", ports_cell},
    {"endpoints", endpoints_cell},
    {"endpointslice-ports", slice_ports_cell},
    {"endpointslice-endpoints", slice_endpoints_cell},
};

}  // namespace

std::span<const Computed> service_columns() {
  return kColumns;
}

}  // namespace tetrarch::api::kubernetes
