// SPDX-License-Identifier: Apache-2.0
#include "async/together.h"

#include <exception>

#include <boost/asio/experimental/awaitable_operators.hpp>

namespace tetrarch::async {

// Asio wraps the exceptions of two cancelled tasks into one of its own, which a TaskGroup would
// report as a failure: what goes on upwards is the first of them.

Task<void> both(Task<void> a, Task<void> b) {
  using namespace asio::experimental::awaitable_operators;  // NOLINT: brings the operator, nothing
                                                            // else
  try {
    co_await (std::move(a) && std::move(b));
  } catch (const asio::multiple_exceptions& failed) {
    std::rethrow_exception(failed.first_exception());
  }
}

Task<void> first_of(Task<void> a, Task<void> b) {
  using namespace asio::experimental::awaitable_operators;  // NOLINT: brings the operator, nothing
                                                            // else
  try {
    co_await (std::move(a) || std::move(b));
  } catch (const asio::multiple_exceptions& failed) {
    std::rethrow_exception(failed.first_exception());
  }
}

}  // namespace tetrarch::async
