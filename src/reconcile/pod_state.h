// SPDX-License-Identifier: Apache-2.0
// Questions about a Pod that several controllers ask.
#pragma once

#include <optional>

#include "base/clock.h"
#include "object/stored.h"
#include "schema/views/core.h"

namespace tetrarch::reconcile {

/// Has a deletionTimestamp.
bool is_terminating(const Stored& object);
/// Succeeded or Failed: nothing of it runs again.
bool is_finished(views::PodView pod);
/// Neither finished nor terminating: counts as a replica.
bool is_active(const Stored& pod);
bool is_ready(views::PodView pod);
/// When it became ready; empty: it is not.
std::optional<TimePoint> ready_since(views::PodView pod);
/// From when on it counts as available if it stays ready; empty: it is not ready. One that need not
/// have been ready for any time is available whatever the clock of its node says.
std::optional<TimePoint> available_from(views::PodView pod, std::int64_t min_ready_seconds);

/// The owner that is marked as controller; an absent view: none.
views::OwnerReferenceView controller_of(const Stored& object);
TimePoint created_at(const Stored& object);

}  // namespace tetrarch::reconcile
