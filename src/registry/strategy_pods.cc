// SPDX-License-Identifier: Apache-2.0
// Pods: what admission adds to a new one, which fields may change later, and how long a delete
// leaves it.
#include <fmt/format.h>

#include "registry/admission_limits.h"
#include "registry/admission_pods.h"
#include "registry/authorizer.h"
#include "registry/mirror_pods.h"
#include "registry/strategy.h"
#include "schema/pod_qos.h"

namespace tetrarch::registry {

using object::View;

namespace {

constexpr std::int64_t kDefaultGraceSeconds = 30;

Status on_create(Write& write, Draft& draft) {
  TRY_STATUS(admit_mirror_pod(write, draft));
  TRY(const bool is_changed, admit_limits(write, draft));
  const auto limited = is_changed ? draft.finish() : nullptr;
  const View spec = is_changed ? limited->root()["spec"] : draft.base()["spec"];
  draft.set("status",
            fmt::format("{{\"phase\":\"Pending\",\"qosClass\":\"{}\"}}", schema::qos_class(spec)));
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

View named(View list, std::string_view name) {
  for (const View each : list.elements()) {
    if (each["name"].string() == name) {
      return each;
    }
  }
  return {};
}

/// What containers may use and how they come to it, of those that are in both.
void take_resources(View fresh, std::string_view list, Draft& draft) {
  std::size_t place = 0;
  for (const View old : draft.base()["spec"][list].elements()) {
    const View now = named(fresh["spec"][list], old["name"].string());
    for (const auto* field : {"resources", "resizePolicy"}) {
      if (now && !now[field].same_as(old[field])) {
        auto& change = draft.changes.member("spec").member(list).element(place).member(field);
        now[field].exists() ? change.replace(std::string(now[field].raw())) : change.drop();
      }
    }
    ++place;
  }
}

Status take_resize(Write& write, View fresh, Draft& draft) {
  take_resources(fresh, "initContainers", draft);
  take_resources(fresh, "containers", draft);
  // The bounds of limit ranges hold; their defaults are for new pods.
  Draft bounded(draft.kind(), draft.finish());
  const auto within = admit_limits(write, bounded);
  return within.ok() ? ok() : Status(within.error());
}

Status on_part(Write& write, View fresh, Draft& draft) {
  if (write.call.subresource == "resize") {
    return take_resize(write, fresh, draft);
  }
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
