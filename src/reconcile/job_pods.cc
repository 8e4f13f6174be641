// SPDX-License-Identifier: Apache-2.0
#include "reconcile/job_pods.h"

#include <algorithm>

#include "reconcile/children.h"
#include "reconcile/job_policy.h"
#include "reconcile/pod_state.h"

namespace tetrarch::reconcile {

namespace {

using std::chrono::seconds;

// Source: Kubernetes documentation, "Jobs", pod backoff failure policy.
constexpr seconds kFirstPause{10};
constexpr seconds kLongestPause{600};

}  // namespace

bool is_tracked(const Stored& pod) {
  for (const auto finalizer : pod.metadata()["finalizers"].elements()) {
    if (finalizer.string() == kJobTracking) {
      return true;
    }
  }
  return false;
}

std::int64_t index_of(const Stored& pod) {
  return number_in(pod.metadata()["annotations"][kCompletionIndex].string(), -1);
}

bool is_indexed(views::JobSpecView job) {
  return job.completion_mode() == "Indexed";
}

bool only_replaces_failed(views::JobSpecView job) {
  return job.pod_replacement_policy() == "Failed" || job.pod_failure_policy();
}

bool has_succeeded(const Stored& pod) {
  return pod.root()["status"]["phase"].string() == "Succeeded";
}

bool has_failed(views::JobSpecView job, const Stored& pod) {
  if (pod.root()["status"]["phase"].string() == "Failed") {
    return true;
  }
  return !only_replaces_failed(job) && is_terminating(pod) && !has_succeeded(pod);
}

TimePoint ended_at(const Stored& pod) {
  const views::PodView view(pod.root());
  auto latest = TimePoint{};
  for (const auto container : view.status().container_statuses()) {
    const auto time = parse_time(container.state().terminated().finished_at());
    latest = std::max(latest, time.value_or(TimePoint{}));
  }
  if (latest != TimePoint{}) {
    return latest;
  }
  for (const auto condition : view.status().conditions()) {
    if (condition.type() == "Ready") {
      latest = parse_time(condition.last_transition_time()).value_or(latest);
    }
  }
  return std::max(latest, created_at(pod));
}

JobPods sort_job_pods(views::JobSpecView job, std::vector<const Stored*> pods) {
  JobPods out;
  out.all = std::move(pods);
  for (const auto* pod : out.all) {
    const bool is_over = is_finished(views::PodView(pod->root()));
    if (!is_over) {
      (is_terminating(*pod) ? out.terminating : out.active).push_back(pod);
    }
    const auto index = index_of(*pod);
    if (index < 0 || !has_failed(job, *pod)) {
      continue;
    }
    auto& last = out.last_failed[index];
    if (last == nullptr || ended_at(*last) < ended_at(*pod) ||
        (ended_at(*last) == ended_at(*pod) && slot_of(*last) < slot_of(*pod))) {
      last = pod;
    }
  }
  return out;
}

FailureCount failures_after(views::JobSpecView job, const Stored* last_failed) {
  FailureCount out;
  if (last_failed == nullptr) {
    return out;
  }
  const auto annotations = last_failed->metadata()["annotations"];
  out.counted = number_in(annotations[kIndexFailures].string(), 0);
  out.ignored = number_in(annotations[kIndexIgnoredFailures].string(), 0);
  const bool is_ignored = judge_failure(job, *last_failed).action == FailureAction::ignore;
  ++(is_ignored ? out.ignored : out.counted);
  return out;
}

TimePoint next_attempt(std::int64_t failures, TimePoint last_failure) {
  if (failures <= 0) {
    return TimePoint{};
  }
  const auto doublings = std::min<std::int64_t>(failures - 1, 10);
  return last_failure + std::min(kLongestPause, kFirstPause * (std::int64_t{1} << doublings));
}

TimePoint next_attempt(views::JobSpecView job, const JobPods& pods) {
  auto last_success = TimePoint{};
  for (const auto* pod : pods.all) {
    if (has_succeeded(*pod)) {
      last_success = std::max(last_success, ended_at(*pod));
    }
  }
  std::int64_t failures = 0;
  auto last_failure = TimePoint{};
  for (const auto* pod : pods.all) {
    if (has_failed(job, *pod) && ended_at(*pod) > last_success) {
      ++failures;
      last_failure = std::max(last_failure, ended_at(*pod));
    }
  }
  return next_attempt(failures, last_failure);
}

}  // namespace tetrarch::reconcile
