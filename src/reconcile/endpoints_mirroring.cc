// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes documentation, "EndpointSlice mirroring".
#include <algorithm>

#include <fmt/format.h>

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
// Source: kube-controller-manager flag mirroring-max-endpoints-per-subset, default.
constexpr std::size_t kPerSubsetMost = 1000;
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

/// What is mirrored of an Endpoints object, and what is too much.
struct Mirrored {
  std::vector<SliceGroup> groups = {};
  std::size_t skipped = 0;
};

SliceGroup& group_of(std::vector<SliceGroup>& groups, std::string_view ip, const TreeArray& ports) {
  const std::string_view family = ip.find(':') == std::string_view::npos ? "IPv4" : "IPv6";
  const auto found = std::find_if(groups.begin(), groups.end(), [&](const auto& each) {
    return each.address_type == family && each.ports == ports;
  });
  if (found != groups.end()) {
    return *found;
  }
  groups.push_back({.address_type = std::string(family), .ports = ports, .endpoints = {}});
  return groups.back();
}

/// Ready addresses first: where there are too many in a subset, the others are left out.
void add_subset(views::EndpointSubsetView subset, Mirrored* out) {
  const auto tree = object::to_tree(subset.ports().view());
  const auto ports = tree.is_array() ? tree.get_array() : TreeArray();
  std::size_t count = 0;
  const auto add = [&](const auto& addresses, bool is_ready) {
    for (const auto address : addresses) {
      if (++count > kPerSubsetMost) {
        ++out->skipped;
        continue;
      }
      group_of(out->groups, address.ip(), ports)
          .endpoints.push_back(endpoint_of(address, is_ready));
    }
  };
  add(subset.addresses(), true);
  add(subset.not_ready_addresses(), false);
}

Mirrored mirrored(views::EndpointsView endpoints) {
  Mirrored out;
  for (const auto subset : endpoints.subsets()) {
    add_subset(subset, &out);
  }
  return out;
}

Note too_many(const Stored& endpoints, std::size_t skipped) {
  return note_about(endpoints,
                    Note::Type::warning,
                    "TooManyAddressesToMirror",
                    fmt::format("A max of {} addresses can be mirrored to EndpointSlices per "
                                "Endpoints subset. {} addresses were skipped",
                                kPerSubsetMost,
                                skipped));
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
    const auto wanted = is_mirrored(asked, *endpoints)
                            ? mirrored(views::EndpointsView(endpoints->root()))
                            : Mirrored{};
    pack_slices(asked.seen, owner, wanted.groups, &plan);
    if (wanted.skipped > 0) {
      plan.notes.push_back(too_many(*endpoints, wanted.skipped));
    }
    return plan;
  }
};

}  // namespace

std::unique_ptr<Controller> endpoints_mirroring_controller() {
  return std::make_unique<EndpointsMirroringController>();
}

}  // namespace tetrarch::reconcile
