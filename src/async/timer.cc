// SPDX-License-Identifier: Apache-2.0
#include "async/timer.h"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include "async/virtual_time.h"

namespace tetrarch::async {
namespace {

/// Expires after `duration` of the executor's own time: the machine's, or a virtual one.
std::shared_ptr<asio::steady_timer> make_timer(const asio::any_io_executor& executor,
                                               std::chrono::nanoseconds duration) {
  auto timer = std::make_shared<asio::steady_timer>(executor);
  if (auto* time = VirtualTime::of(executor)) {
    time->add(duration, timer);
  } else {
    timer->expires_after(duration);
  }
  return timer;
}

}  // namespace

Task<void> sleep_for(std::chrono::nanoseconds duration) {
  const auto timer = make_timer(co_await asio::this_coro::executor, duration);
  co_await timer->async_wait(kAwait);
}

struct Event::State {
  std::mutex mutex;
  bool is_raised = false;
  std::shared_ptr<asio::steady_timer> waiter;  // null while nobody waits
};

Event::Event() : state_(std::make_shared<State>()) {}

Event::~Event() = default;

void Event::raise() {
  const std::lock_guard lock(state_->mutex);
  state_->is_raised = true;
  if (state_->waiter) {
    // On the waiter's strand: by then its wait has begun.
    asio::post(state_->waiter->get_executor(), [timer = state_->waiter] { timer->cancel(); });
  }
}

Task<bool> Event::wait_for(std::chrono::nanoseconds deadline) {
  const auto state = state_;
  const auto timer = make_timer(co_await asio::this_coro::executor, deadline);
  {
    const std::lock_guard lock(state->mutex);
    if (std::exchange(state->is_raised, false)) {
      co_return true;
    }
    state->waiter = timer;
  }
  co_await timer->async_wait(kAwait);
  const std::lock_guard lock(state->mutex);
  state->waiter.reset();
  co_return std::exchange(state->is_raised, false);
}

Task<void> Event::wait() {
  bool is_raised = false;
  while (!is_raised) {
    is_raised = co_await wait_for(std::chrono::hours(1));
  }
}

}  // namespace tetrarch::async
