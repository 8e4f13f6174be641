// SPDX-License-Identifier: Apache-2.0
// Task<T>: the coroutine type of every room that does I/O; mostly Task<Result<T>>.
// Cancellation: a task is owned by a TaskGroup. When the group stops, the operation under way ends
// and the next co_await unwinds the coroutine (Asio's own exception, stopped by the group), so
// destructors are the clean-up.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace tetrarch {

namespace asio = boost::asio;

template <class T>
using Task = asio::awaitable<T>;

/// The completion token of ours: `auto [error, n] = co_await socket.async_read_some(buffer,
/// kAwait);`
inline constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

}  // namespace tetrarch
