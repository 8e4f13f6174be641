// SPDX-License-Identifier: Apache-2.0
// Jobs and CronJobs: the selector that a job is given, and what only a machine knows of time zones.
#include <array>

#include "base/time_zone.h"
#include "registry/strategy.h"

namespace tetrarch::registry {

using object::View;

namespace {

// Source: Kubernetes documentation, "Jobs", pod selector; the two without a prefix are older.
constexpr std::string_view kControllerUid = "batch.kubernetes.io/controller-uid";
constexpr std::array<std::string_view, 2> kUidLabels = {kControllerUid, "controller-uid"};
constexpr std::array<std::string_view, 2> kNameLabels = {"batch.kubernetes.io/job-name",
                                                         "job-name"};

/// Its pods carry its uid, so no other controller takes them for its own.
Status on_create_job(Write& /*write*/, Draft& draft) {
  if (draft.find("spec.manualSelector").boolean()) {
    return ok();
  }
  const View labels = draft.find("spec.template.metadata.labels");
  const bool has_own = !draft.meta.labels.empty() &&
                       !(labels && labels.raw() == std::string_view(draft.meta.labels));
  auto& changes = draft.changes.at("spec.template.metadata.labels");
  const auto add = [&](std::string_view label, const std::string& value) {
    if (labels[label].exists()) {
      return;  // validation says whether it is the right one
    }
    changes.member(label).replace(quoted(value));
    if (!has_own) {
      draft.meta.labels = with_member(draft.meta.labels, label, quoted(value));
    }
  };
  for (const auto label : kUidLabels) {
    add(label, draft.meta.uid);
  }
  for (const auto label : kNameLabels) {
    add(label, draft.meta.name);
  }
  if (!draft.find("spec.selector.matchLabels")[kControllerUid].exists()) {
    draft.changes.at("spec.selector.matchLabels")
        .member(kControllerUid)
        .replace(quoted(draft.meta.uid));
  }
  return ok();
}

void check_cron_job(View fresh, View old, FieldErrors& faults) {
  const View zone = fresh.find("spec.timeZone");
  const bool is_same = old.exists() && zone.same_as(old.find("spec.timeZone"));
  if (zone.string().empty() || is_same) {
    return;
  }
  const auto loaded = load_time_zone(zone.string());
  if (!loaded.ok()) {
    faults.push_back(invalid_text("spec.timeZone", zone.string(), loaded.error().message));
  }
}

}  // namespace

Strategy jobs_strategy() {
  Strategy out;
  out.has_status = true;
  out.counts_generation = true;
  out.orphans_by_default = true;
  out.orphan_warning =
      "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background "
      "to remove them or set propagationPolicy=Orphan to suppress this warning";
  out.fields = {{"status.successful", "status.succeeded", "0"}};
  out.on_create = &on_create_job;
  return out;
}

Strategy cron_jobs_strategy() {
  Strategy out;
  out.has_status = true;
  out.counts_generation = true;
  out.check = &check_cron_job;
  return out;
}

}  // namespace tetrarch::registry
