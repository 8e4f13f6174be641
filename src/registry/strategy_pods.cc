// SPDX-License-Identifier: Apache-2.0
// Pods: what admission adds to a new one, which fields may change later, and how long a delete
// leaves it.
#include <fmt/format.h>

#include "object/quantity.h"
#include "registry/admission_limits.h"
#include "registry/admission_pods.h"
#include "registry/authorizer.h"
#include "registry/mirror_pods.h"
#include "registry/strategy.h"

namespace tetrarch::registry {

using object::Quantity;
using object::View;

namespace {

constexpr std::int64_t kDefaultGraceSeconds = 30;

bool is_zero(View quantity) {
  const auto value = Quantity::from(quantity);
  return !value.ok() || value->is_zero();
}

/// BestEffort, Burstable or Guaranteed. Source: Kubernetes documentation, "Pod Quality of Service
/// Classes".
std::string_view qos_class(View spec) {
  bool asks_any = false;
  bool is_guaranteed = true;
  for (const auto* list : {"containers", "initContainers"}) {
    for (const View container : spec[list].elements()) {
      for (const auto* resource : {"cpu", "memory"}) {
        const View request = container["resources"]["requests"][resource];
        const View limit = container["resources"]["limits"][resource];
        asks_any = asks_any || !is_zero(request) || !is_zero(limit);
        const auto wanted = Quantity::from(request ? request : limit);
        const auto most = Quantity::from(limit);
        is_guaranteed =
            is_guaranteed && !is_zero(limit) && wanted.ok() && most.ok() && *wanted == *most;
      }
    }
  }
  return !asks_any ? "BestEffort" : is_guaranteed ? "Guaranteed" : "Burstable";
}

Status on_create(Write& write, Draft& draft) {
  TRY_STATUS(admit_mirror_pod(write, draft));
  TRY(const bool is_changed, admit_limits(write, draft));
  const auto limited = is_changed ? draft.finish() : nullptr;
  const View spec = is_changed ? limited->root()["spec"] : draft.base()["spec"];
  draft.set("status",
            fmt::format("{{\"phase\":\"Pending\",\"qosClass\":\"{}\"}}", qos_class(spec)));
  return admit_pod(write, draft);
}

/// A node that could label its pods would put them behind any service.
/// Source: Kubernetes documentation, "Using Admission Controllers", NodeRestriction.
Status on_status(Write& write, View old, Draft& draft) {
  const auto node = node_of(write.call.identity);
  const auto before = old["metadata"]["labels"];
  const bool is_same = before ? draft.meta.labels == before.raw() : draft.meta.labels.empty();
  if (!node.empty() && !is_same) {
    return forbidden("pods",
                     old["metadata"]["name"].string(),
                     fmt::format("node \"{}\" cannot update labels through pod status", node));
  }
  return ok();
}

Status on_part(Write& write, View fresh, Draft& draft) {
  if (write.call.subresource == "ephemeralcontainers") {
    const View list = fresh["spec"]["ephemeralContainers"];
    auto& change = draft.changes.at("spec.ephemeralContainers");
    list.size() > 0 ? change.replace(std::string(list.raw())) : change.drop();
  }
  return ok();
}

std::int64_t grace(View pod, std::optional<std::int64_t> asked) {
  const auto phase = pod.find("status.phase").string();
  if (pod.find("spec.nodeName").string().empty() || phase == "Succeeded" || phase == "Failed") {
    return 0;
  }
  const auto own = pod.find("spec.terminationGracePeriodSeconds").integer(kDefaultGraceSeconds);
  const auto seconds = asked.value_or(own);
  return seconds < 0 ? 1 : seconds;
}

}  // namespace

Strategy pods_strategy() {
  Strategy out;
  out.has_status = true;
  out.counts_generation = true;
  out.fields = {{"spec.nodeName"},
                {"status.phase"},
                {"spec.restartPolicy"},
                {"spec.serviceAccountName"},
                {"spec.schedulerName"},
                {"spec.hostNetwork", "", "false"},
                {"status.podIP"},
                {"status.podIPs", "status.podIP"},
                {"status.nominatedNodeName"}};
  out.on_create = &on_create;
  out.on_status = &on_status;
  out.on_part = &on_part;
  out.grace = &grace;
  return out;
}

}  // namespace tetrarch::registry
