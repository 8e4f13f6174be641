// SPDX-License-Identifier: Apache-2.0
// The pods that a job makes. Part of the job controller.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "reconcile/controller.h"
#include "reconcile/job_pods.h"

namespace tetrarch::reconcile {

/// Makes pods under names that follow from what was made before: who plans on a stale view plans
/// the same names again.
class JobCreator {
 public:
  JobCreator(const Question& asked, const Stored& job, const JobPods& pods);

  /// The next pod; `index` -1: the job has no indexes.
  Change creation(std::int64_t index);

 private:
  std::string name_for(std::int64_t index);

  const Question& asked_;
  const Stored& job_;
  const views::JobSpecView spec_;
  const JobPods& pods_;
  std::map<std::int64_t, std::int64_t> last_slots_;  ///< the highest of each index
  std::set<std::string> taken_;
};

}  // namespace tetrarch::reconcile
