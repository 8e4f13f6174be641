// SPDX-License-Identifier: Apache-2.0
#include "async/virtual_time.h"

#include <boost/asio/query.hpp>

namespace tetrarch::async {

asio::execution_context::id VirtualTime::id;

VirtualTime::VirtualTime(asio::execution_context& context, TimePoint start)
    : asio::execution_context::service(context), now_(start) {}

VirtualTime* VirtualTime::of(const asio::any_io_executor& executor) {
  auto& context = asio::query(executor, asio::execution::context);
  return asio::has_service<VirtualTime>(context) ? &asio::use_service<VirtualTime>(context)
                                                 : nullptr;
}

std::optional<TimePoint> VirtualTime::next() {
  while (!waiting_.empty() && waiting_.begin()->second.expired()) {
    waiting_.erase(waiting_.begin());  // its wait has ended for another reason
  }
  return waiting_.empty() ? std::nullopt : std::optional(waiting_.begin()->first);
}

void VirtualTime::move_to(TimePoint time) {
  now_ = time;
  while (!waiting_.empty() && waiting_.begin()->first <= now_) {
    const auto timer = waiting_.begin()->second.lock();
    waiting_.erase(waiting_.begin());
    if (timer) {
      timer->cancel();
    }
  }
}

void VirtualTime::add(std::chrono::nanoseconds after,
                      const std::shared_ptr<asio::steady_timer>& timer) {
  timer->expires_at(asio::steady_timer::time_point::max());
  // Rounded up: nothing ends before its time.
  waiting_.emplace(now_ + std::chrono::ceil<std::chrono::microseconds>(after), timer);
}

}  // namespace tetrarch::async
