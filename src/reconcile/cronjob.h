// SPDX-License-Identifier: Apache-2.0
// CronJobs: a Job for each time that the schedule names, as far as the concurrency policy and the
// starting deadline allow; jobs that are over and too many go. However long nobody looked, only
// the last missed time is made up for.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "base/time_zone.h"
#include "reconcile/controller.h"

namespace tetrarch::reconcile {

/// A time zone by name; an error names what is wrong.
using ZoneLookup = std::function<Result<TimeZone>(std::string_view name)>;

std::unique_ptr<Controller> cronjob_controller(ZoneLookup zones);

}  // namespace tetrarch::reconcile
