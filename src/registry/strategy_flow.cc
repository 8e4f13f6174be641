// SPDX-License-Identifier: Apache-2.0
// Flow schemas and priority levels: the mandatory ones stay what they are.
// Source: Kubernetes pkg/apis/flowcontrol/validation/validation.go, v1.35.
#include <fmt/format.h>

#include "registry/flow_policy.h"
#include "registry/strategy.h"

namespace tetrarch::registry {

using object::View;

namespace {

/// The object of that name as every cluster begins with it.
DocumentPtr made_of(std::string_view resource, std::string_view name) {
  for (auto& object : flow_policy()) {
    auto document = Document::from_canonical(std::move(object.json));
    if (object.resource == resource && document->root()["metadata"]["name"].string() == name) {
      return document;
    }
  }
  return nullptr;
}

void add_fault(FieldErrors& faults, View spec, std::string_view name, std::string_view but) {
  faults.push_back(invalid_value(
      "spec", spec.raw(), fmt::format("spec of '{}' {}must equal the fixed value", name, but)));
}

void check_schema(View fresh, View /*old*/, FieldErrors& faults) {
  const auto name = fresh["metadata"]["name"].string();
  const auto fixed = is_mandatory_flow(name) ? made_of(kFlowSchemas, name) : nullptr;
  if (fixed && !fresh["spec"].same_as(fixed->root()["spec"])) {
    add_fault(faults, fresh["spec"], name, "");
  }
}

void check_level(View fresh, View /*old*/, FieldErrors& faults) {
  const auto spec = fresh["spec"];
  const auto name = fresh["metadata"]["name"].string();
  if (name == "exempt") {
    if (spec["type"].string() != "Exempt" || spec["limited"]) {
      add_fault(faults, spec, name, "except the 'spec.exempt' field ");
    }
    return;
  }
  const auto fixed = is_mandatory_flow(name) ? made_of(kPriorityLevels, name) : nullptr;
  if (fixed && !spec.same_as(fixed->root()["spec"])) {
    add_fault(faults, spec, name, "");
  }
}

Strategy with_status() {
  Strategy out;
  out.has_status = true;
  out.counts_generation = true;
  return out;
}

}  // namespace

Strategy flow_schemas_strategy() {
  auto out = with_status();
  out.check = &check_schema;
  return out;
}

Strategy priority_levels_strategy() {
  auto out = with_status();
  out.check = &check_level;
  return out;
}

}  // namespace tetrarch::registry
