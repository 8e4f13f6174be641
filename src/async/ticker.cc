// SPDX-License-Identifier: Apache-2.0
#include "async/ticker.h"

#include <utility>

#include <boost/asio/steady_timer.hpp>

#include "async/virtual_time.h"

namespace tetrarch::async {

struct Ticker::State : std::enable_shared_from_this<State> {
  State(const asio::any_io_executor& strand, Tick its_tick)
      : timer(strand), tick(std::move(its_tick)) {}

  void wait(std::chrono::nanoseconds after) {
    if (auto* time = VirtualTime::of(timer.get_executor())) {
      time->add(after, {shared_from_this(), &timer});
    } else {
      timer.expires_after(after);
    }
    // An aborted wait may be one that virtual time has ended.
    timer.async_wait([self = shared_from_this()](const boost::system::error_code&) {
      if (self->is_over) {
        return;
      }
      const auto after_this = self->tick();
      if (!self->is_over) {
        self->wait(after_this);
      }
    });
  }

  asio::steady_timer timer;
  const Tick tick;
  bool is_over = false;
};

Ticker::Ticker(const asio::any_io_executor& strand, std::chrono::nanoseconds first, Tick tick)
    : state_(std::make_shared<State>(strand, std::move(tick))) {
  state_->wait(first);
}

Ticker::~Ticker() {
  state_->is_over = true;
  state_->timer.cancel();
}

}  // namespace tetrarch::async
