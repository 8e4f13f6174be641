// SPDX-License-Identifier: Apache-2.0
// Pods: what admission adds to a new one, which fields may change later, and how long a delete
// leaves it.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "object/quantity.h"
#include "registry/admission_pods.h"
#include "registry/pod_rules.h"
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
  draft.set("status",
            fmt::format("{{\"phase\":\"Pending\",\"qosClass\":\"{}\"}}",
                        qos_class(draft.base()["spec"])));
  return admit_pod(write, draft);
}

bool same_but_image(View fresh, View old) {
  const auto differs = [](View a, View b) {
    for (const auto [name, value] : a.members()) {
      if (name != "image" && !value.same_as(b[name])) {
        return true;
      }
    }
    return false;
  };
  return !differs(fresh, old) && !differs(old, fresh);
}

bool same_containers(View fresh, View old) {
  if (fresh.size() != old.size()) {
    return false;
  }
  auto before = old.elements().begin();
  for (const View container : fresh.elements()) {
    if (!same_but_image(container, *before)) {
      return false;
    }
    ++before;
  }
  return true;
}

/// Every old toleration is still there.
bool only_adds(View fresh, View old) {
  for (const View before : old.elements()) {
    bool is_kept = false;
    for (const View after : fresh.elements()) {
      is_kept = is_kept || after.same_as(before);
    }
    if (!is_kept) {
      return false;
    }
  }
  return true;
}

bool may_become(std::string_view field, View fresh, View old) {
  if (field == "containers" || field == "initContainers") {
    return same_containers(fresh, old);
  }
  if (field == "tolerations") {
    return only_adds(fresh, old);
  }
  if (field == "schedulingGates") {
    return only_adds(old, fresh);
  }
  if (field == "terminationGracePeriodSeconds") {
    return old.integer() < 0 && fresh.integer() == 1;
  }
  return field == "activeDeadlineSeconds";
}

void check_spec_change(View fresh, View old, FieldErrors& faults) {
  // Source: Kubernetes documentation, "Pod update and replacement".
  bool is_fine = true;
  for (const auto [name, value] : fresh.members()) {
    is_fine = is_fine && (value.same_as(old[name]) || may_become(name, value, old[name]));
  }
  for (const auto [name, value] : old.members()) {
    is_fine = is_fine && (fresh[name].exists() || may_become(name, {}, value));
  }
  if (!is_fine) {
    faults.push_back(forbidden_field(
        "spec",
        "pod updates may not change fields other than "
        "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
        "`spec.tolerations` (only additions to existing tolerations),"
        "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously "
        "negative)"));
  }
}

void check(View fresh, View old, FieldErrors& faults) {
  if (old.exists()) {
    check_spec_change(fresh["spec"], old["spec"], faults);
    return;
  }
  check_pod_spec("spec", fresh["spec"], faults);
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
  out.check = &check;
  out.grace = &grace;
  return out;
}

}  // namespace tetrarch::registry
