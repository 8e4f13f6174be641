// SPDX-License-Identifier: Apache-2.0
// Kinds with a rule or two: events, leases, runtime classes, priority classes, disruption budgets,
// device classes and slices.
#include <fmt/format.h>

#include "registry/strategy.h"

namespace tetrarch::registry {

using object::View;

namespace {

Status on_create_priority_class(Write& write, Draft& draft) {
  const View base = draft.base();
  std::string other;
  write.snapshot.scan(draft.kind().resource, "", {}, [&](const Stored& each) {
    if (each.root()["globalDefault"].boolean()) {
      other = each.key.name;
    }
    return other.empty();
  });
  if (base["globalDefault"].boolean() && !other.empty()) {
    return forbidden(
        "priorityclasses.scheduling.k8s.io",
        draft.meta.name,
        fmt::format("PriorityClass {} is already marked as default. Only one default can "
                    "exist",
                    other));
  }
  return ok();
}

/// Nothing is allowed before the pods have been counted.
Status on_create_budget(Write& /*write*/, Draft& draft) {
  draft.set("status",
            R"({"currentHealthy":0,"desiredHealthy":0,"disruptionsAllowed":0,"expectedPods":0})");
  return ok();
}

}  // namespace

Strategy events_strategy() {
  Strategy out;
  out.creates_on_update = true;
  out.fields = {{"involvedObject.kind"},
                {"involvedObject.namespace"},
                {"involvedObject.name"},
                {"involvedObject.uid"},
                {"involvedObject.apiVersion"},
                {"involvedObject.resourceVersion"},
                {"involvedObject.fieldPath"},
                {"regarding.kind", "involvedObject.kind"},
                {"regarding.namespace", "involvedObject.namespace"},
                {"regarding.name", "involvedObject.name"},
                {"regarding.uid", "involvedObject.uid"},
                {"reason"},
                {"type"},
                {"source", "source.component"},
                {"reportingComponent"},
                {"reportingController", "reportingComponent"}};
  return out;
}

Strategy leases_strategy() {
  Strategy out;
  out.creates_on_update = true;
  out.updates_unconditionally = false;
  return out;
}

Strategy runtime_classes_strategy() {
  Strategy out;
  out.updates_unconditionally = false;
  return out;
}

Strategy disruption_budgets_strategy() {
  Strategy out;
  out.has_status = true;
  out.counts_generation = true;
  out.on_create = &on_create_budget;
  return out;
}

Strategy device_classes_strategy() {
  Strategy out;
  out.counts_generation = true;
  return out;
}

Strategy resource_slices_strategy() {
  Strategy out;
  out.counts_generation = true;
  out.fields = {{"spec.driver"}, {"spec.nodeName"}};
  return out;
}

Strategy priority_classes_strategy() {
  Strategy out;
  out.on_create = &on_create_priority_class;
  return out;
}

}  // namespace tetrarch::registry
