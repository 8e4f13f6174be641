// SPDX-License-Identifier: Apache-2.0
// Domain: an execution context with a virtual time of its own. The simulated world is one, each run
// of the server another: so a server can stand still, or be taken apart, while the world goes on.
// All of them are run by one thread, in turn.
#pragma once

#include <boost/asio/io_context.hpp>

#include "async/virtual_time.h"

namespace tetrarch::sim {

class Domain {
 public:
  explicit Domain(TimePoint start)
      : time_(asio::make_service<async::VirtualTime>(context_, start)) {}

  asio::any_io_executor executor() { return context_.get_executor(); }

  const Clock& clock() const { return time_; }

  TimePoint now() const { return time_.now(); }

  std::optional<TimePoint> next() { return time_.next(); }

  void move_to(TimePoint time) { time_.move_to(time); }

  /// Everything that can go on without time passing. False: nothing could.
  bool settle() {
    context_.restart();
    return context_.poll() > 0;
  }

 private:
  asio::io_context context_{1};
  async::VirtualTime& time_;
};

/// The machine's clock with an error: it can be set, forward and back. Time that is measured
/// (steady) knows nothing of that.
class SetClock final : public Clock {
 public:
  explicit SetClock(const Clock& clock) : clock_(clock) {}

  TimePoint now() const override { return clock_.now() + error_; }

  SteadyPoint steady() const override { return clock_.steady(); }

  void set_by(std::chrono::seconds by) { error_ += by; }

  std::chrono::seconds error() const { return error_; }

 private:
  const Clock& clock_;
  std::chrono::seconds error_{0};
};

}  // namespace tetrarch::sim
