// SPDX-License-Identifier: Apache-2.0
// Kinds of networking.k8s.io: what of them the server itself does. An ingress without a class gets
// the default one; an address that a service has cannot be taken from it; ranges of addresses end
// when nobody needs them.
#include <algorithm>

#include <fmt/format.h>

#include "registry/claims.h"
#include "registry/service_ranges.h"
#include "registry/strategy.h"

namespace tetrarch::registry {

using object::View;

namespace {

// Source: Kubernetes documentation, "Well-Known Labels, Annotations and Taints".
constexpr std::string_view kIngressClass = "kubernetes.io/ingress.class";
constexpr std::string_view kIsDefault = "ingressclass.kubernetes.io/is-default-class";

Strategy counted() {
  Strategy out;
  out.counts_generation = true;
  return out;
}

/// The newest class that is marked as the default; of two of the same second the first by name.
// Source: Kubernetes plugin/pkg/admission/network/defaultingressclass, v1.35.
std::string default_ingress_class(const store::Snapshot& snapshot) {
  std::string name;
  std::string created;
  snapshot.scan("ingressclasses.networking.k8s.io", "", {}, [&](const Stored& each) {
    const View metadata = each.metadata();
    const auto time = metadata["creationTimestamp"].string();
    if (metadata["annotations"][kIsDefault].string() == "true" && time > created) {
      name = each.key.name;
      created = time;
    }
    return true;
  });
  return name;
}

Status on_create_ingress(Write& write, Draft& draft) {
  const View base = draft.base();
  draft.set("status", R"({"loadBalancer":{}})");
  if (base["spec"]["ingressClassName"] || base["metadata"]["annotations"][kIngressClass]) {
    return ok();
  }
  if (const auto name = default_ingress_class(write.snapshot); !name.empty()) {
    draft.set_text("spec.ingressClassName", name);
  }
  return ok();
}

/// Ours: Kubernetes lets it go and makes it again, and the address is free in between.
Status on_remove_address(Write& write, View old) {
  if (!is_service_address(old)) {
    return ok();
  }
  const View parent = old.find("spec.parentRef");
  const auto& address = write.call.name;
  const auto service = write.snapshot.get(Key{
      "services", std::string(parent["namespace"].string()), std::string(parent["name"].string())});
  if (!service || !claims_of(service->root()).contains(address_claim(address))) {
    return ok();
  }
  return forbidden(kIpAddresses,
                   address,
                   fmt::format("service {}/{} has this address: it goes with the service",
                               service->key.ns,
                               service->key.name));
}

Status on_create_range(Write& write, Draft& draft) {
  auto& finalizers = draft.meta.finalizers;
  if (std::find(finalizers.begin(), finalizers.end(), kServiceCidrFinalizer) == finalizers.end()) {
    finalizers.emplace_back(kServiceCidrFinalizer);
  }
  const bool is_default = draft.meta.name == kDefaultServiceCidr;
  draft.set("status",
            ready_status(write.now,
                         is_default ? "Kubernetes default Service CIDR is ready"
                                    : "Kubernetes Service CIDR is ready"));
  return ok();
}

/// Ours: Kubernetes lets it be marked, and then no service gets an address any more.
Status on_remove_range(Write& write, View /*old*/) {
  return write.call.name == kDefaultServiceCidr
             ? Status(forbidden(kServiceCidrs,
                                write.call.name,
                                "it is the range that the server was started with (service-cidr)"))
             : ok();
}

/// The last that holds a range lets it go only when no service needs it. Services take addresses
/// from a range as it is in the same commit, so none can come behind this.
Status on_update_range(Write& write, View old, Draft& draft) {
  const auto& finalizers = draft.meta.finalizers;
  const bool is_held =
      std::find(finalizers.begin(), finalizers.end(), kServiceCidrFinalizer) != finalizers.end();
  const bool is_ending = old["metadata"]["deletionTimestamp"].exists();
  return is_ending && !is_held ? check_unused(write.snapshot, write.call.name) : ok();
}

}  // namespace

Strategy ingress_classes_strategy() {
  return counted();
}

Strategy network_policies_strategy() {
  return counted();
}

Strategy ingresses_strategy() {
  auto out = counted();
  out.has_status = true;
  out.on_create = &on_create_ingress;
  return out;
}

Strategy ip_addresses_strategy() {
  auto out = counted();
  out.fields = {{"spec.parentRef.group"},
                {"spec.parentRef.resource"},
                {"spec.parentRef.namespace"},
                {"spec.parentRef.name"}};
  out.on_remove = &on_remove_address;
  return out;
}

Strategy service_cidrs_strategy() {
  auto out = counted();
  out.has_status = true;
  out.on_create = &on_create_range;
  out.on_update = &on_update_range;
  out.on_remove = &on_remove_range;
  return out;
}

}  // namespace tetrarch::registry
