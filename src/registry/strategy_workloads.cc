// SPDX-License-Identifier: Apache-2.0
// Deployments, ReplicaSets, ControllerRevisions.
#include "registry/strategy.h"

namespace tetrarch::registry {

using object::View;

namespace {

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
  return out;
}

Strategy replica_sets_strategy() {
  Strategy out;
  out.has_status = true;
  out.counts_generation = true;
  out.fields = {{"status.replicas", "", "0"}};
  return out;
}

Strategy controller_revisions_strategy() {
  Strategy out;
  out.check = &check_revision;
  return out;
}

}  // namespace tetrarch::registry
