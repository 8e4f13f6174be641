// SPDX-License-Identifier: Apache-2.0
// A job's pods, sorted by what they mean for it; what they carry; when the next may be made. Part
// of the job controller.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "reconcile/controller.h"
#include "schema/views/batch.h"

namespace tetrarch::reconcile {

// Source: Kubernetes API reference, well-known labels, annotations and taints.
inline constexpr std::string_view kJobTracking = "batch.kubernetes.io/job-tracking";
inline constexpr std::string_view kCompletionIndex = "batch.kubernetes.io/job-completion-index";
inline constexpr std::string_view kIndexFailures = "batch.kubernetes.io/job-index-failure-count";
inline constexpr std::string_view kIndexIgnoredFailures =
    "batch.kubernetes.io/job-index-ignored-failure-count";

/// Has the finalizer that says: not counted yet.
bool is_tracked(const Stored& pod);
/// -1: it has none.
std::int64_t index_of(const Stored& pod);
bool is_indexed(views::JobSpecView job);
/// A pod is replaced only when it has ended, not when it begins to.
bool only_replaces_failed(views::JobSpecView job);
/// Counts as a failure, by its phase or because it is on its way out.
bool has_failed(views::JobSpecView job, const Stored& pod);
bool has_succeeded(const Stored& pod);
/// When its containers had all ended, as far as that is known.
TimePoint ended_at(const Stored& pod);

struct JobPods {
  std::vector<const Stored*> all;
  std::vector<const Stored*> active;       ///< neither over nor ending
  std::vector<const Stored*> terminating;  ///< ending, not over
  /// Of an indexed job: the pod that failed last, by index.
  std::map<std::int64_t, const Stored*> last_failed;
};

JobPods sort_job_pods(views::JobSpecView job, std::vector<const Stored*> pods);

/// How often in a row pods of one index, or of the job, have failed so far.
struct FailureCount {
  std::int64_t counted = 0;
  std::int64_t ignored = 0;
};

/// With which count the next pod of an index begins, after this one (null: the first).
FailureCount failures_after(views::JobSpecView job, const Stored* last_failed);
/// When the next pod may be made after that many failures, the last of which was then.
TimePoint next_attempt(std::int64_t failures, TimePoint last_failure);
/// The same for a job whose pods have no indexes, or none of their own limit.
TimePoint next_attempt(views::JobSpecView job, const JobPods& pods);

}  // namespace tetrarch::reconcile
