// SPDX-License-Identifier: Apache-2.0
// How a job's pods are counted, once each. A pod that is over is first noted in the status
// (uncountedTerminatedPods, or its index); when that is stored, its finalizer goes; when that is
// seen, the note becomes a number. So a pod that is deleted in the meantime, or a controller that
// stops anywhere, loses nothing. Part of the job controller.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "object/index_set.h"
#include "object/tree.h"
#include "reconcile/controller.h"
#include "reconcile/job_pods.h"

namespace tetrarch::reconcile {

/// How the job stands, for the tally.
struct TallyOrder {
  bool is_ending = false;          ///< it is over or deleted: every pod is let go
  bool counts_active = false;      ///< it has failed: pods that still run are failures too
  bool keeps_last_failed = false;  ///< a limit per index: the last failure is still needed
};

class JobTally {
 public:
  JobTally(const Stored& job, const JobPods& pods);

  /// All that have ended so far.
  std::int64_t succeeded() const;
  std::int64_t failed() const;

  const object::IndexSet& succeeded_indexes() const { return succeeded_indexes_; }

  const object::IndexSet& failed_indexes() const { return failed_indexes_; }

  /// Notes what may be noted now, and lets pods go whose note is stored: changes of pods are added
  /// to `plan`.
  void advance(const TallyOrder& order, Plan* plan);
  /// Nothing is left to be counted.
  bool is_settled() const;
  /// Into a job's status.
  void write(object::TreeObject& status) const;

 private:
  using Uids = std::vector<std::string>;

  // Source: kube-controller-manager, job controller MaxUncountedPods.
  static constexpr std::size_t kNotesMost = 500;

  void read_status();
  void find_indexes();
  bool is_index_failed(const Stored& pod) const;
  bool may_go(const Stored& pod, const TallyOrder& order) const;

  bool is_noted(const Stored& pod) const { return noted_.contains(pod.uid()); }

  bool has_room() const { return noted_succeeded_.size() + noted_failed_.size() < kNotesMost; }

  void settle_notes(Uids& notes, std::int64_t& count) const;
  void advance_pod(const Stored& pod, const TallyOrder& order, Plan* plan);
  static void let_go(const Stored& pod, Plan* plan);

  const Stored& job_;
  const views::JobSpecView spec_;
  const JobPods& pods_;
  std::int64_t succeeded_ = 0;  ///< the numbers of the status
  std::int64_t failed_ = 0;
  Uids noted_succeeded_;
  Uids noted_failed_;
  std::int64_t new_succeeded_ = 0;  ///< seen, in no note yet
  std::int64_t new_failed_ = 0;
  object::IndexSet stored_indexes_;
  object::IndexSet succeeded_indexes_;
  object::IndexSet failed_indexes_;
  std::set<std::string, std::less<>> noted_;  ///< what the stored status notes
  std::set<std::string_view> tracked_;        ///< uids of pods with the finalizer
};

}  // namespace tetrarch::reconcile
