// SPDX-License-Identifier: Apache-2.0
#include "reconcile/endpointslice.h"

#include <algorithm>

#include "reconcile/edit.h"
#include "reconcile/endpoint_packing.h"
#include "reconcile/pod_state.h"
#include "reconcile/service_pods.h"

namespace tetrarch::reconcile {

namespace {

using object::Tree;
using object::TreeArray;
using object::TreeObject;

constexpr std::string_view kOurs = "endpointslice-controller.k8s.io";
constexpr std::string_view kHeadless = "service.kubernetes.io/headless";
constexpr std::string_view kZone = "topology.kubernetes.io/zone";

Tree endpoint_of(const Mirror& seen,
                 const Stored& service,
                 const ServicePod& pod,
                 std::string_view address) {
  TreeObject out{{"addresses", TreeArray{address}},
                 {"conditions",
                  TreeObject{{"ready", pod.is_ready},
                             {"serving", pod.is_serving},
                             {"terminating", pod.is_terminating}}},
                 {"targetRef",
                  TreeObject{{"kind", "Pod"},
                             {"namespace", pod.stored->key.ns},
                             {"name", pod.stored->key.name},
                             {"uid", pod.stored->uid()}}}};
  const auto node = pod.pod.spec().node_name();
  if (!node.empty()) {
    out["nodeName"] = node;
    const auto* stored = seen.get("nodes", "", node);
    const auto zone =
        stored == nullptr ? std::string_view() : stored->metadata()["labels"][kZone].string();
    if (!zone.empty()) {
      out["zone"] = zone;
    }
  }
  if (!pod.pod.spec().hostname().empty() && pod.pod.spec().subdomain() == service.key.name) {
    out["hostname"] = pod.pod.spec().hostname();
  }
  return out;
}

std::vector<std::string> families_of(views::ServiceView service) {
  std::vector<std::string> out;
  for (const auto family : service.spec().ip_families()) {
    out.emplace_back(family);
  }
  if (out.empty()) {
    out.emplace_back(service.spec().cluster_ip().find(':') == std::string_view::npos ? "IPv4"
                                                                                     : "IPv6");
  }
  return out;
}

std::vector<SliceGroup> groups_of(const Mirror& seen, const Stored& service) {
  const views::ServiceView view(service.root());
  const auto pods = pods_of_service(seen, service);
  std::vector<SliceGroup> groups;
  for (const auto& family : families_of(view)) {
    const auto first = groups.size();
    for (const auto& pod : pods) {
      const auto address = address_of(pod.pod, family);
      if (address.empty()) {
        continue;
      }
      auto ports = ports_of_pod(view, pod.pod);
      const auto begin = groups.begin() + static_cast<std::ptrdiff_t>(first);
      auto group =
          std::find_if(begin, groups.end(), [&](const auto& each) { return each.ports == ports; });
      if (group == groups.end()) {
        groups.push_back({.address_type = family, .ports = std::move(ports), .endpoints = {}});
        group = groups.end() - 1;
      }
      group->endpoints.push_back(endpoint_of(seen, service, pod, address));
    }
    if (groups.size() == first) {
      groups.push_back(
          {.address_type = family, .ports = {}, .endpoints = {}});  // says: there are none
    }
  }
  return groups;
}

TreeObject labels_of(const Stored& service) {
  TreeObject labels;
  for (const auto [key, value] : views::ServiceView(service.root()).metadata().labels()) {
    if (key != kServiceName && key != kManagedBy && key != kHeadless) {
      labels[key] = value;
    }
  }
  if (is_headless(views::ServiceView(service.root()))) {
    labels[kHeadless] = "";
  }
  return labels;
}

class EndpointSliceController final : public Controller {
 public:
  std::string_view name() const override { return "endpointslice"; }

  std::vector<Watching> watches() const override {
    return {{"services", own_key()},
            {"pods", keys_of_selecting_services()},
            {std::string(kSliceResource), key_of_controller("services", "Service")}};
  }

  Plan reconcile(const Question& asked) const override {
    Plan plan;
    const auto* service = asked.seen.get(asked.key);
    if (service == nullptr || is_terminating(*service)) {
      return plan;  // its slices have it as owner: garbage collection ends them
    }
    const SliceOwner owner{.owner = *service,
                           .service = service->key.name,
                           .managed_by = kOurs,
                           .labels = labels_of(*service)};
    const bool is_selecting = has_selector(views::ServiceView(service->root()));
    // A service that lost its selector leaves its slices to whoever fills them now; ours go.
    pack_slices(asked.seen,
                owner,
                is_selecting ? groups_of(asked.seen, *service) : std::vector<SliceGroup>{},
                &plan);
    return plan;
  }
};

}  // namespace

std::unique_ptr<Controller> endpointslice_controller() {
  return std::make_unique<EndpointSliceController>();
}

}  // namespace tetrarch::reconcile
