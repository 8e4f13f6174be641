// SPDX-License-Identifier: Apache-2.0
// Kinds with a rule or two: events, leases, runtime classes, priority classes.
#include <fmt/format.h>

#include "registry/strategy.h"

namespace tetrarch::registry {

using object::View;

namespace {

constexpr std::int64_t kUserPriorityMax = 1'000'000'000;
constexpr std::string_view kSystemPrefix = "system-";

void check_event(View fresh, View /*old*/, FieldErrors& faults) {
  const auto ns = fresh["metadata"]["namespace"].string();
  const auto involved = fresh["involvedObject"]["namespace"].string();
  // Events about objects of the whole cluster live in the namespace default (or kube-system).
  const bool is_fine = involved.empty() ? ns == "default" || ns == "kube-system" : involved == ns;
  if (!is_fine) {
    faults.push_back(
        invalid_text("involvedObject.namespace", involved, "does not match event.namespace"));
  }
}

Status on_create_priority_class(Write& write, Draft& draft) {
  const View base = draft.base();
  const bool is_system = draft.meta.name.starts_with(kSystemPrefix);
  FieldErrors faults;
  if (is_system && !write.call.identity.is_in(trust::kMasters)) {
    faults.push_back(forbidden_field(
        "metadata.name",
        fmt::format("priority class names with '{}' prefix are reserved for system use only",
                    kSystemPrefix)));
  }
  if (!is_system && base["value"].integer() > kUserPriorityMax) {
    faults.push_back(forbidden_field(
        "value",
        fmt::format("maximum allowed value of a user defined priority is {}", kUserPriorityMax)));
  }
  if (!faults.empty()) {
    return invalid("PriorityClass.scheduling.k8s.io", draft.meta.name, std::move(faults));
  }
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
  out.check = &check_event;
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

Strategy priority_classes_strategy() {
  Strategy out;
  out.on_create = &on_create_priority_class;
  return out;
}

}  // namespace tetrarch::registry
