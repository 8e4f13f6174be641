// SPDX-License-Identifier: Apache-2.0
#include "async/breaker.h"

#include <exception>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

namespace tetrarch::async {

Task<void> Breaker::run(Task<void> task) {
  if (is_cut_) {
    co_return;
  }
  const auto strand = co_await asio::this_coro::executor;
  // Nothing else of the caller waits meanwhile: what cancels it is handed on.
  auto from_caller = (co_await asio::this_coro::cancellation_state).slot();
  if (from_caller.is_connected()) {
    from_caller.assign([this](asio::cancellation_type type) { signal_.emit(type); });
  }
  auto token = asio::bind_cancellation_slot(signal_.slot(), kAwait);
  auto [failed] = co_await asio::co_spawn(strand, std::move(task), std::move(token));
  from_caller.clear();
  if (failed && !is_cut_) {
    std::rethrow_exception(failed);
  }
}

void Breaker::cut() {
  is_cut_ = true;
  signal_.emit(asio::cancellation_type::terminal);
}

}  // namespace tetrarch::async
