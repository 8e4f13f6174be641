// SPDX-License-Identifier: Apache-2.0
// Rules of disruption budgets.
// Source: Kubernetes pkg/apis/policy/validation/validation.go, v1.35.
#include "schema/rules.h"
#include "schema/views/policy.h"
#include "schema/workload_checks.h"

namespace tetrarch::schema {

void check_disruption_budget(Problems& problems, const Site& site) {
  const auto spec = site.child("spec");
  const views::PodDisruptionBudgetSpecView view{spec.fresh};
  if (view.min_available() && view.max_unavailable()) {
    problems.invalid(spec.path, spec.fresh, "minAvailable and maxUnavailable cannot be both set");
  }
  for (const auto* name : {"minAvailable", "maxUnavailable"}) {
    const auto value = spec.fresh[name];
    if (!value) {
      continue;
    }
    check_share(problems, spec.at(name), value);
    if (percent_of(value) > 100) {
      problems.invalid(spec.at(name), value, "must not be greater than 100%");
    }
  }
}

}  // namespace tetrarch::schema
