// SPDX-License-Identifier: Apache-2.0
// VirtualTime: time of one execution context that moves only when it is told to. Sleeps and waits
// (async/timer.h) of coroutines on such a context end when the time has been moved past them, in
// order. For tests and simulation; used on the one thread that runs the context.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include <boost/asio/execution_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "async/task.h"
#include "base/clock.h"

namespace tetrarch::async {

/// Owned by its context: `asio::make_service<VirtualTime>(context, start)`.
class VirtualTime final : public asio::execution_context::service, public Clock {
 public:
  using key_type = VirtualTime;
  static asio::execution_context::id id;

  explicit VirtualTime(asio::execution_context& context, TimePoint start = {});
  /// That of an executor's context; null where time is the machine's.
  static VirtualTime* of(const asio::any_io_executor& executor);

  TimePoint now() const override { return now_; }

  SteadyPoint steady() const override { return SteadyPoint(now_.time_since_epoch()); }

  /// When the first of those that wait is due.
  std::optional<TimePoint> next();
  /// Moves on and ends the waits that are due by then; run the context before moving further.
  void move_to(TimePoint time);

  /// A wait that move_to() ends by cancelling the timer.
  void add(std::chrono::nanoseconds after, const std::shared_ptr<asio::steady_timer>& timer);

 private:
  void shutdown() override { waiting_.clear(); }

  TimePoint now_;
  std::multimap<TimePoint, std::weak_ptr<asio::steady_timer>> waiting_;
};

}  // namespace tetrarch::async
