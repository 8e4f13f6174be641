// SPDX-License-Identifier: Apache-2.0
// Rules of cron jobs. Whether a time zone is known is the registry's to say: it has the database.
// Source: Kubernetes pkg/apis/batch/validation/validation.go, v1.34.
#include <algorithm>

#include "object/cron_schedule.h"
#include "schema/rules.h"
#include "schema/views/batch.h"

namespace tetrarch::schema {

namespace {

// The name of its jobs has 11 characters more, and they may have 63.
constexpr std::size_t kNameMost = 52;

void check_schedule(Problems& problems, const Site& spec) {
  const views::CronJobSpecView view{spec.fresh};
  const auto schedule = view.schedule();
  if (schedule.empty()) {
    return;  // said already
  }
  const auto path = spec.at("schedule");
  if (schedule.find("TZ") != schedule.npos) {
    problems.invalid(
        path, schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
    return;
  }
  const auto parsed = object::CronSchedule::parse(schedule);
  if (!parsed.ok()) {
    problems.invalid(path, schedule, parsed.error().message);
  }
}

void check_time_zone(Problems& problems, const Site& spec) {
  const views::CronJobSpecView view{spec.fresh};
  if (!view.has_time_zone()) {
    return;
  }
  std::string lower(view.time_zone());
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const auto path = spec.at("timeZone");
  if (lower.empty()) {
    problems.invalid(path, view.time_zone(), "timeZone must be nil or non-empty string");
  } else if (lower == "local") {
    problems.invalid(path,
                     view.time_zone(),
                     "timeZone must be an explicit time zone as defined in "
                     "https://www.iana.org/time-zones");
  }
}

}  // namespace

void check_cron_job(Problems& problems, const Site& site) {
  const auto name = site.fresh.find("metadata.name").string();
  const auto spec = site.child("spec");
  check_schedule(problems, spec);
  check_time_zone(problems, spec);
  if (!site.is_update() && name.size() > kNameMost) {
    problems.invalid(site.at("metadata.name"), name, "must be no more than 52 characters");
  }
}

}  // namespace tetrarch::schema
