// SPDX-License-Identifier: Apache-2.0
// Rules of events and priority classes.
// Source: Kubernetes pkg/apis/core/validation/events.go and
// pkg/apis/scheduling/validation/validation.go, v1.34.
#include "schema/rules.h"
#include "schema/views/core.h"
#include "schema/views/scheduling.h"

namespace tetrarch::schema {

namespace {

constexpr std::int64_t kUserPriorityMax = 1000000000;

}  // namespace

void check_core_event(Problems& problems, const Site& site) {
  const views::EventView event{site.fresh};
  const auto about = event.involved_object().namespace_();
  const auto ns = event.metadata().namespace_();
  // What has no namespace is reported in "default".
  const bool is_right =
      about.empty() ? ns.empty() || ns == "default" || event.has_event_time() : about == ns;
  if (!is_right) {
    problems.invalid(site.at("involvedObject.namespace"), about, "does not match event.namespace");
  }
}

void check_priority_class(Problems& problems, const Site& site) {
  const views::PriorityClassView value{site.fresh};
  const auto name = value.metadata().name();
  const bool is_ours = name == "system-node-critical" || name == "system-cluster-critical";
  if (!is_ours && name.starts_with("system-")) {
    problems.forbidden(
        site.at("metadata.name"),
        "priority class names with 'system-' prefix are reserved for system use only");
  }
  if (!is_ours && value.value() > kUserPriorityMax) {
    problems.forbidden(site.at("value"),
                       "maximum allowed value of a user defined priority is 1000000000");
  }
  if (site.is_update() && value.value() != views::PriorityClassView{site.old}.value()) {
    problems.forbidden(site.at("value"), "may not be changed in an update.");
  }
}

}  // namespace tetrarch::schema
