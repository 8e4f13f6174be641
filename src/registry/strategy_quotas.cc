// SPDX-License-Identifier: Apache-2.0
// Resource quotas and limit ranges: a quota is enforced from its first moment; a limit range's
// defaults follow from its bounds.
#include "registry/quota.h"
#include "registry/strategy.h"
#include "schema/quota.h"

namespace tetrarch::registry {

using object::View;

namespace {

Status on_create_quota(Write& write, Draft& draft) {
  draft.set("status", counted_status(write, draft.meta.ns, draft.base()["spec"]));
  return ok();
}

void check_quota(View fresh, View old, FieldErrors& faults) {
  if (old.exists() && !fresh.find("spec.scopes").same_as(old.find("spec.scopes"))) {
    faults.push_back(
        invalid_value("spec.scopes", fresh.find("spec.scopes").raw(), "field is immutable"));
  }
}

/// Gives `list` the amounts of `from` that it lacks.
void fill(
    Draft& draft, std::size_t place, std::string_view list, schema::Amounts& amounts, View from) {
  for (const auto& [name, value] : schema::amounts_in(from)) {
    if (amounts.emplace(name, value).second) {
      draft.changes.member("spec")
          .member("limits")
          .element(place)
          .member(list)
          .member(name)
          .replace(quoted(value.text()));
    }
  }
}

// Source: Kubernetes pkg/apis/core/v1/defaults.go, SetDefaults_LimitRangeItem, v1.35: a limit that
// is not stated is the maximum; a request is the limit, else the minimum.
void set_defaults(Draft& draft) {
  std::size_t place = 0;
  for (const View limit : draft.base()["spec"]["limits"].elements()) {
    if (limit["type"].string() == "Container") {
      auto limits = schema::amounts_in(limit["default"]);
      auto requests = schema::amounts_in(limit["defaultRequest"]);
      fill(draft, place, "default", limits, limit["max"]);
      fill(draft, place, "defaultRequest", requests, limit["default"]);
      fill(draft, place, "defaultRequest", requests, limit["max"]);
      fill(draft, place, "defaultRequest", requests, limit["min"]);
    }
    ++place;
  }
}

Status on_create_limits(Write& /*write*/, Draft& draft) {
  set_defaults(draft);
  return ok();
}

Status on_update_limits(Write& /*write*/, View /*old*/, Draft& draft) {
  set_defaults(draft);
  return ok();
}

}  // namespace

Strategy resource_quotas_strategy() {
  Strategy out;
  out.has_status = true;
  out.on_create = &on_create_quota;
  out.check = &check_quota;
  return out;
}

Strategy limit_ranges_strategy() {
  Strategy out;
  out.on_create = &on_create_limits;
  out.on_update = &on_update_limits;
  return out;
}

}  // namespace tetrarch::registry
