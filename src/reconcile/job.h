// SPDX-License-Identifier: Apache-2.0
// Jobs: pods until enough have succeeded, or the job has failed. Which pods were counted is kept in
// the status and in a finalizer on each pod, so that none is missed or counted twice. And the end
// of jobs that are over and have a time to live.
#pragma once

#include <memory>

#include "reconcile/controller.h"

namespace tetrarch::reconcile {

std::unique_ptr<Controller> job_controller();
std::unique_ptr<Controller> ttl_after_finished_controller();

/// Complete or Failed.
bool is_job_finished(const Stored& job);
/// The condition of that type is True.
bool is_job(const Stored& job, std::string_view condition);

}  // namespace tetrarch::reconcile
