// SPDX-License-Identifier: Apache-2.0
#include "async/yield.h"

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

namespace tetrarch::async {

Task<void> yield() {
  const auto executor = co_await asio::this_coro::executor;
  co_await asio::post(executor, asio::use_awaitable);
}

}  // namespace tetrarch::async
