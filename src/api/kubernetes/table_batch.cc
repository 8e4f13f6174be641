// SPDX-License-Identifier: Apache-2.0
// The columns of jobs and cron jobs. Source: Kubernetes pkg/printers/internalversion, v1.34; Seen:
// kubectl get jobs,cronjobs -o wide.
#include <array>

#include <fmt/core.h>

#include "api/kubernetes/table.h"

namespace tetrarch::api::kubernetes {
namespace {

bool is_true(const Stored& job, std::string_view condition) {
  for (const auto each : job.root()["status"]["conditions"].elements()) {
    if (each["type"].string() == condition && each["status"].string() == "True") {
      return true;
    }
  }
  return false;
}

std::string_view status_of(const Stored& job) {
  for (const std::string_view end : {"Complete", "Failed"}) {
    if (is_true(job, end)) {
      return end;
    }
  }
  if (job.metadata()["deletionTimestamp"].exists()) {
    return "Terminating";
  }
  for (const std::string_view state : {"Suspended", "FailureTarget", "SuccessCriteriaMet"}) {
    if (is_true(job, state)) {
      return state;
    }
  }
  return "Running";
}

Cell status_cell(const Stored& job, TimePoint /*now*/) {
  return text_cell(status_of(job));
}

Cell completions_cell(const Stored& job, TimePoint /*now*/) {
  const auto spec = job.root()["spec"];
  const auto succeeded = job.root().find("status.succeeded").integer();
  if (spec["completions"]) {
    return text_cell(fmt::format("{}/{}", succeeded, spec["completions"].integer()));
  }
  const auto parallelism = spec["parallelism"].integer();
  return text_cell(parallelism > 1 ? fmt::format("{}/1 of {}", succeeded, parallelism)
                                   : fmt::format("{}/1", succeeded));
}

Cell duration_cell(const Stored& job, TimePoint now) {
  const auto status = job.root()["status"];
  const auto start = parse_time(status["startTime"].string());
  if (!start.ok()) {
    return text_cell("");
  }
  const auto end = parse_time(status["completionTime"].string()).value_or(now);
  return text_cell(human_duration(std::chrono::floor<std::chrono::seconds>(end - *start)));
}

Cell suspend_cell(const Stored& cron_job, TimePoint /*now*/) {
  const auto suspend = cron_job.root()["spec"]["suspend"];
  return text_cell(!suspend ? "<unset>" : suspend.boolean() ? "True" : "False");
}

Cell active_cell(const Stored& cron_job, TimePoint /*now*/) {
  return int_cell(static_cast<std::int64_t>(cron_job.root()["status"]["active"].size()));
}

Cell last_schedule_cell(const Stored& cron_job, TimePoint now) {
  const auto time = cron_job.root()["status"]["lastScheduleTime"].string();
  return text_cell(time.empty() ? "<none>" : human_age(time, now));
}

constexpr Computed kColumns[] = {
    {"job-status", status_cell},
    {"job-completions", completions_cell},
    {"job-duration", duration_cell},
    {"cronjob-suspend", suspend_cell},
    {"cronjob-active", active_cell},
    {"cronjob-last-schedule", last_schedule_cell},
};

}  // namespace

std::span<const Computed> batch_columns() {
  return kColumns;
}

}  // namespace tetrarch::api::kubernetes
