// SPDX-License-Identifier: Apache-2.0
#include "reconcile/job_tally.h"

#include <algorithm>
#include <limits>

#include "reconcile/children.h"
#include "reconcile/edit.h"
#include "reconcile/job_policy.h"

namespace tetrarch::reconcile {

namespace {

using object::IndexSet;
using object::TreeArray;
using object::TreeObject;

std::vector<std::string> texts(views::ListView<std::string_view> list) {
  std::vector<std::string> out;
  for (const auto each : list) {
    out.emplace_back(each);
  }
  return out;
}

TreeArray to_array(const std::vector<std::string>& texts) {
  TreeArray out;
  for (const auto& each : texts) {
    out.emplace_back(each);
  }
  return out;
}

}  // namespace

JobTally::JobTally(const Stored& job, const JobPods& pods)
    : job_(job), spec_(job.root()["spec"]), pods_(pods) {
  read_status();
  if (is_indexed(spec_)) {
    find_indexes();
  }
  for (const auto* pod : pods.all) {
    if (!is_tracked(*pod)) {
      continue;
    }
    tracked_.insert(pod->uid());
    if (is_noted(*pod)) {
      continue;
    }
    if (has_succeeded(*pod)) {
      ++new_succeeded_;
    } else if (has_failed(spec_, *pod) &&
               judge_failure(spec_, *pod).action != FailureAction::ignore) {
      ++new_failed_;
    }
  }
}

void JobTally::read_status() {
  const views::JobStatusView status(job_.root()["status"]);
  succeeded_ = status.succeeded();
  failed_ = status.failed();
  noted_succeeded_ = texts(status.uncounted_terminated_pods().succeeded());
  noted_failed_ = texts(status.uncounted_terminated_pods().failed());
  noted_.insert(noted_succeeded_.begin(), noted_succeeded_.end());
  noted_.insert(noted_failed_.begin(), noted_failed_.end());
  const auto limit =
      spec_.has_completions() ? spec_.completions() : std::numeric_limits<std::int64_t>::max();
  stored_indexes_ = IndexSet::parse_leniently(status.completed_indexes(), limit);
  succeeded_indexes_ = stored_indexes_;
  failed_indexes_ = IndexSet::parse_leniently(status.failed_indexes(), limit);
}

void JobTally::find_indexes() {
  for (const auto* pod : pods_.all) {
    const auto index = index_of(*pod);
    if (is_tracked(*pod) && has_succeeded(*pod) && index >= 0 && index < spec_.completions()) {
      succeeded_indexes_.add(index);
    }
  }
  if (!spec_.has_backoff_limit_per_index()) {
    return;
  }
  for (const auto* pod : pods_.all) {
    const auto index = index_of(*pod);
    // The index of a pod that is noted is noted too, if it failed by itself.
    if (is_tracked(*pod) && !is_noted(*pod) && index >= 0 && index < spec_.completions() &&
        !succeeded_indexes_.contains(index) && is_index_failed(*pod)) {
      failed_indexes_.add(index);
    }
  }
}

bool JobTally::is_index_failed(const Stored& pod) const {
  if (!has_failed(spec_, pod)) {
    return false;
  }
  const auto action = judge_failure(spec_, pod).action;
  if (action == FailureAction::count) {
    const auto before = number_in(pod.metadata()["annotations"][kIndexFailures].string(), 0);
    return before >= spec_.backoff_limit_per_index();
  }
  return action == FailureAction::fail_index;
}

std::int64_t JobTally::succeeded() const {
  return is_indexed(spec_)
             ? succeeded_indexes_.count()
             : succeeded_ + static_cast<std::int64_t>(noted_succeeded_.size()) + new_succeeded_;
}

std::int64_t JobTally::failed() const {
  return failed_ + static_cast<std::int64_t>(noted_failed_.size()) + new_failed_;
}

/// Whether nothing of the pod is needed any more, once it is counted.
bool JobTally::may_go(const Stored& pod, const TallyOrder& order) const {
  if (order.is_ending || has_succeeded(pod)) {
    return true;
  }
  if (!has_failed(spec_, pod)) {
    return false;
  }
  // The next pod of its index begins with its count of failures: until that pod is there, it stays.
  const auto index = index_of(pod);
  if (!order.keeps_last_failed || index < 0 || failed_indexes_.contains(index) ||
      succeeded_indexes_.contains(index)) {
    return true;
  }
  const auto last = pods_.last_failed.find(index);
  if (last == pods_.last_failed.end() || last->second->uid() != pod.uid()) {
    return true;
  }
  return std::any_of(pods_.all.begin(), pods_.all.end(), [&](const Stored* other) {
    return index_of(*other) == index && slot_of(*other) > slot_of(pod);
  });
}

void JobTally::let_go(const Stored& pod, Plan* plan) {
  plan->changes.push_back(update_of(pod, without_finalizer(pod, kJobTracking)));
}

void JobTally::advance_pod(const Stored& pod, const TallyOrder& order, Plan* plan) {
  if (is_noted(pod)) {
    let_go(pod, plan);
    return;
  }
  if (has_succeeded(pod)) {
    const auto index = index_of(pod);
    if (!is_indexed(spec_) && has_room()) {
      noted_succeeded_.emplace_back(pod.uid());
      --new_succeeded_;
    } else if (is_indexed(spec_) &&
               (!succeeded_indexes_.contains(index) || stored_indexes_.contains(index))) {
      let_go(pod, plan);
    }
    return;
  }
  const bool is_failure = has_failed(spec_, pod);
  const bool is_ignored = is_failure && judge_failure(spec_, pod).action == FailureAction::ignore;
  if (is_ignored || !(is_failure || order.counts_active)) {
    let_go(pod, plan);
    return;
  }
  if (has_room()) {  // else the next reconcile goes on
    noted_failed_.emplace_back(pod.uid());
    new_failed_ -= is_failure ? 1 : 0;
  }
}

void JobTally::settle_notes(Uids& notes, std::int64_t& count) const {
  std::erase_if(notes, [&](const std::string& uid) {
    const bool is_held = tracked_.contains(uid);
    count += is_held ? 0 : 1;
    return !is_held;
  });
}

void JobTally::advance(const TallyOrder& order, Plan* plan) {
  settle_notes(noted_succeeded_, succeeded_);
  settle_notes(noted_failed_, failed_);
  for (const auto* pod : pods_.all) {
    if (is_tracked(*pod) && may_go(*pod, order)) {
      advance_pod(*pod, order, plan);
    }
  }
}

bool JobTally::is_settled() const {
  return tracked_.empty() && noted_succeeded_.empty() && noted_failed_.empty();
}

void JobTally::write(TreeObject& status) const {
  set_count(status, "succeeded", is_indexed(spec_) ? succeeded_indexes_.count() : succeeded_);
  set_count(status, "failed", failed_);
  if (is_indexed(spec_)) {
    status["completedIndexes"] = succeeded_indexes_.text();
  }
  if (spec_.has_backoff_limit_per_index()) {
    status["failedIndexes"] = failed_indexes_.text();
  }
  TreeObject notes;
  if (!noted_succeeded_.empty()) {
    notes["succeeded"] = to_array(noted_succeeded_);
  }
  if (!noted_failed_.empty()) {
    notes["failed"] = to_array(noted_failed_);
  }
  status["uncountedTerminatedPods"] = std::move(notes);
}

}  // namespace tetrarch::reconcile
