// SPDX-License-Identifier: Apache-2.0
// What a job's policies say: of a pod that failed, of the indexes that succeeded. Part of the job
// controller.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "object/index_set.h"
#include "object/stored.h"
#include "schema/views/batch.h"

namespace tetrarch::reconcile {

enum class FailureAction : std::uint8_t { count, ignore, fail_index, fail_job };

struct FailureVerdict {
  FailureAction action = FailureAction::count;
  std::string message = {};  ///< why, of fail_job
};

/// By the first rule of spec.podFailurePolicy that matches.
FailureVerdict judge_failure(views::JobSpecView job, const Stored& pod);

/// Which rule of spec.successPolicy is fulfilled, in words; empty: none is.
std::optional<std::string> success_message(views::JobSpecView job,
                                           const object::IndexSet& succeeded);

}  // namespace tetrarch::reconcile
