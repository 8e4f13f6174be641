// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes documentation, "EndpointSlice mirroring".
#include <algorithm>
#include <map>

#include "reconcile/edit.h"
#include "reconcile/endpoint_packing.h"
#include "reconcile/endpoints.h"
#include "reconcile/pod_state.h"
#include "reconcile/service_pods.h"

namespace tetrarch::reconcile {

namespace {

using object::Tree;
using object::TreeArray;
using object::TreeObject;

constexpr std::string_view kOurs = "endpointslicemirroring-controller.k8s.io";
constexpr std::string_view kSkip = "endpointslice.kubernetes.io/skip-mirror";
constexpr std::string_view kLeader = "control-plane.alpha.kubernetes.io/leader";

Tree endpoint_of(views::EndpointAddressView address, bool is_ready) {
  TreeObject out{{"addresses", TreeArray{address.ip()}},
                 {"conditions", TreeObject{{"ready", is_ready}}}};
  if (!address.hostname().empty()) {
    out["hostname"] = address.hostname();
  }
  if (!address.node_name().empty()) {
    out["nodeName"] = address.node_name();
  }
  if (address.has_target_ref()) {
    out["targetRef"] = object::to_tree(address.target_ref().view());
  }
  return out;
}

std::vector<SliceGroup> groups_of(views::EndpointsView endpoints) {
  std::vector<SliceGroup> groups;
  for (const auto subset : endpoints.subsets()) {
    auto ports = object::to_tree(subset.ports().view());
    const auto list = ports.is_array() ? ports.get_array() : TreeArray();
    const auto add = [&](const auto& addresses, bool is_ready) {
      for (const auto address : addresses) {
        const std::string family =
            address.ip().find(':') == std::string_view::npos ? "IPv4" : "IPv6";
        auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& each) {
          return each.address_type == family && each.ports == list;
        });
        if (group == groups.end()) {
          groups.push_back({.address_type = family, .ports = list, .endpoints = {}});
          group = groups.end() - 1;
        }
        group->endpoints.push_back(endpoint_of(address, is_ready));
      }
    };
    add(subset.addresses(), true);
    add(subset.not_ready_addresses(), false);
  }
  return groups;
}

bool is_mirrored(const Question& asked, const Stored& endpoints) {
  const auto metadata = endpoints.metadata();
  const auto* service = asked.seen.get("services", endpoints.key.ns, endpoints.key.name);
  return service != nullptr && !has_selector(views::ServiceView(service->root())) &&
         !is_terminating(endpoints) && metadata["labels"][kSkip].string() != "true" &&
         !metadata["annotations"][kLeader].exists();
}

TreeObject labels_of(const Stored& endpoints) {
  TreeObject labels;
  for (const auto member : endpoints.metadata()["labels"].members()) {
    if (member.key != kServiceName && member.key != kManagedBy) {
      labels[member.key] = member.value.string();
    }
  }
  return labels;
}

class EndpointsMirroringController final : public Controller {
 public:
  std::string_view name() const override { return "endpoints-mirroring"; }

  std::vector<Watching> watches() const override {
    return {{"endpoints", own_key()},
            {"services",
             [](const Mirror&, const Observed& change, std::vector<Key>& keys) {
               keys.push_back(Key{"endpoints", change.any().key.ns, change.any().key.name});
             }},
            {std::string(kSliceResource), key_of_controller("endpoints", "Endpoints")}};
  }

  Plan reconcile(const Question& asked) const override {
    Plan plan;
    const auto* endpoints = asked.seen.get(asked.key);
    if (endpoints == nullptr) {
      return plan;  // garbage collection ends its slices
    }
    const SliceOwner owner{.owner = *endpoints,
                           .service = endpoints->key.name,
                           .managed_by = kOurs,
                           .labels = labels_of(*endpoints)};
    const auto groups = is_mirrored(asked, *endpoints)
                            ? groups_of(views::EndpointsView(endpoints->root()))
                            : std::vector<SliceGroup>{};
    pack_slices(asked.seen, owner, groups, &plan);
    return plan;
  }
};

}  // namespace

std::unique_ptr<Controller> endpoints_mirroring_controller() {
  return std::make_unique<EndpointsMirroringController>();
}

}  // namespace tetrarch::reconcile
