// SPDX-License-Identifier: Apache-2.0
// Planner: subresources that change one part of an object: binding, finalize, scale.
#include <utility>

#include <fmt/format.h>

#include "object/names.h"
#include "registry/managed.h"
#include "registry/planner.h"

namespace tetrarch::registry {

using object::View;

namespace {

/// The pod's conditions with PodScheduled true.
std::string scheduled_conditions(View conditions, const std::string& now) {
  std::string out;
  object::Writer writer(out);
  writer.begin_array();
  for (const View condition : conditions.elements()) {
    if (condition["type"].string() != "PodScheduled") {
      writer.view(condition);
    }
  }
  writer.begin_object().field("lastTransitionTime", now);
  writer.field("status", "True").field("type", "PodScheduled").end_object().end_array();
  return out;
}

Status check_bindable(const Call& call, const Stored& pod, View binding) {
  const auto node = binding.find("target.name").string();
  const auto kind = binding.find("target.kind").string();
  FieldErrors faults;
  if (!kind.empty() && kind != "Node") {
    faults.push_back(not_supported("target.kind", kind, {"Node", "<empty>"}));
  }
  if (node.empty()) {
    faults.push_back(required("target.name"));
  }
  if (!faults.empty()) {
    return invalid("Binding", call.name, std::move(faults));
  }
  const auto uid = binding.find("metadata.uid").string();
  if (!uid.empty() && uid != pod.uid()) {
    return conflict(
        "pods/binding",
        call.name,
        fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}",
                    uid,
                    pod.uid()));
  }
  if (pod.metadata()["deletionTimestamp"]) {
    return conflict(
        "pods/binding",
        call.name,
        fmt::format("pod {} is being deleted, cannot be assigned to a host", call.name));
  }
  if (const auto bound = pod.root().find("spec.nodeName").string(); !bound.empty()) {
    return conflict("pods/binding",
                    call.name,
                    fmt::format("pod {} is already assigned to node \"{}\"", call.name, bound));
  }
  if (pod.root().find("spec.schedulingGates").size() > 0) {
    return conflict("pods/binding",
                    call.name,
                    fmt::format("pod {} has non-empty .spec.schedulingGates", call.name));
  }
  return ok();
}

/// A binding changes the node and what annotations it brings. All else was checked when it was
/// written, and a check of the whole pod costs more than the rest of the binding.
bool needs_check(View binding) {
  return binding.find("metadata.annotations").size() > 0 ||
         !object::dns_subdomain_faults(binding.find("target.name").string()).empty();
}

}  // namespace

Result<Plan> Planner::bind(const Call& call, View binding) const {
  const auto snapshot = here_.store.snapshot();
  TRY(const auto pod, existing(call, snapshot));
  TRY_STATUS(check_bindable(call, pod, binding));
  Plan plan;
  Write write{here_, call, snapshot, plan.transaction, format_time(here_.clock.now())};
  Draft draft(storage(*call.kind), pod.document);
  draft.set_text("spec.nodeName", binding.find("target.name").string());
  // Source: kube-apiserver (1.35): what was nominated is bound, here or elsewhere.
  draft.drop("status.nominatedNodeName");
  draft.set("status.conditions",
            scheduled_conditions(pod.root().find("status.conditions"), write.now));
  for (const auto [key, value] : binding.find("metadata.annotations").members()) {
    draft.meta.annotations = with_member(draft.meta.annotations, key, std::string(value.raw()));
  }
  if (needs_check(binding)) {
    TRY_STATUS(check(call, pod.key.name, draft.finish()->root(), View(), false));
  }
  TRY(plan, settle(write, pod, draft, Mode::placement));
  if (call.is_dry_run) {
    plan.transaction = {};
  }
  return plan;
}

Result<Plan> Planner::finalize(const Call& call, std::string_view json) const {
  TRY(const auto body, decode(call, json));
  const auto snapshot = here_.store.snapshot();
  TRY(const auto old, existing(call, snapshot));
  if (!body.resource_version.empty() &&
      body.resource_version != std::to_string(old.revision.number)) {
    return modified(qualified(*call.kind), call.name);
  }
  Plan plan;
  Write write{here_, call, snapshot, plan.transaction, format_time(here_.clock.now())};
  Draft draft(storage(*call.kind), old.document);
  draft.take("spec", body.document->root());
  TRY(plan, settle(write, old, draft, Mode::part));
  if (call.is_dry_run) {
    plan.transaction = {};
  }
  return plan;
}

Result<Plan> Planner::scale(const Call& call,
                            std::int64_t replicas,
                            std::string_view resource_version) const {
  const auto snapshot = here_.store.snapshot();
  TRY(const auto old, existing(call, snapshot));
  if (!resource_version.empty() && resource_version != std::to_string(old.revision.number)) {
    return modified(qualified(*call.kind), call.name);
  }
  if (replicas < 0) {
    FieldErrors faults;
    faults.push_back(invalid_value(
        "spec.replicas", std::to_string(replicas), "must be greater than or equal to 0"));
    return invalid("Scale.autoscaling", call.name, std::move(faults));
  }
  Plan plan;
  Write write{here_, call, snapshot, plan.transaction, format_time(here_.clock.now())};
  Draft draft(storage(*call.kind), old.document);
  draft.set("spec.replicas", std::to_string(replicas));
  TRY(draft.meta.managed, managed_of_update(tracking_of(write), old, Body{draft.finish(), ""}));
  TRY(plan, settle(write, old, draft, Mode::part));
  if (call.is_dry_run) {
    plan.transaction = {};
  }
  return plan;
}

}  // namespace tetrarch::registry
