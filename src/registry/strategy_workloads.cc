// SPDX-License-Identifier: Apache-2.0
// Deployments, ReplicaSets, ControllerRevisions.
#include <fmt/format.h>

#include "object/int_or_string.h"
#include "registry/pod_rules.h"
#include "registry/strategy.h"

namespace tetrarch::registry {

using object::View;

namespace {

bool is_nothing(View amount) {
  return amount && (amount.is_string() ? amount.string() == "0%" || amount.string() == "0"
                                       : amount.integer() == 0);
}

void check_strategy(View strategy, FieldErrors& faults) {
  const View rolling = strategy["rollingUpdate"];
  if (strategy["type"].string() == "Recreate" && rolling) {
    faults.push_back(forbidden_field("spec.strategy.rollingUpdate",
                                     "may not be specified when strategy `type` is 'Recreate'"));
    return;
  }
  if (is_nothing(rolling["maxUnavailable"]) && is_nothing(rolling["maxSurge"])) {
    faults.push_back(invalid_value("spec.strategy.rollingUpdate.maxUnavailable",
                                   rolling["maxUnavailable"].raw(),
                                   "may not be 0 when `maxSurge` is 0"));
  }
  for (const auto* field : {"maxUnavailable", "maxSurge"}) {
    const View amount = rolling[field];
    const auto scaled = object::scaled_value(amount, 100, object::Rounding::up);
    const auto path = fmt::format("spec.strategy.rollingUpdate.{}", field);
    if (amount && !scaled.ok()) {
      faults.push_back(invalid_value(path, amount.raw(), scaled.error().message));
    } else if (amount && *scaled < 0) {
      faults.push_back(invalid_value(path, amount.raw(), "must be greater than or equal to 0"));
    } else if (amount.is_string() && *scaled > 100 && std::string_view(field) == "maxUnavailable") {
      faults.push_back(invalid_value(path, amount.raw(), "must not be greater than 100%"));
    }
  }
}

void check_deployment(View fresh, View /*old*/, FieldErrors& faults) {
  const View spec = fresh["spec"];
  check_template(spec, faults);
  check_strategy(spec["strategy"], faults);
  const View deadline = spec["progressDeadlineSeconds"];
  if (deadline && deadline.integer() <= spec["minReadySeconds"].integer()) {
    faults.push_back(invalid_value(
        "spec.progressDeadlineSeconds", deadline.raw(), "must be greater than minReadySeconds"));
  }
}

void check_replica_set(View fresh, View /*old*/, FieldErrors& faults) {
  check_template(fresh["spec"], faults);
}

void check_revision(View fresh, View old, FieldErrors& faults) {
  if (old.exists() && !fresh["data"].same_as(old["data"])) {
    faults.push_back(invalid_value("data", fresh["data"].raw(), "field is immutable"));
  }
}

}  // namespace

Strategy deployments_strategy() {
  Strategy out;
  out.has_status = true;
  out.counts_generation = true;
  out.check = &check_deployment;
  return out;
}

Strategy replica_sets_strategy() {
  Strategy out;
  out.has_status = true;
  out.counts_generation = true;
  out.fields = {{"status.replicas", "", "0"}};
  out.check = &check_replica_set;
  return out;
}

Strategy controller_revisions_strategy() {
  Strategy out;
  out.check = &check_revision;
  return out;
}

}  // namespace tetrarch::registry
