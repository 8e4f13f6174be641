// SPDX-License-Identifier: Apache-2.0
// run_blocking: runs a function on a BlockingPool and resumes the caller on its own strand with the result.
#pragma once

#include <type_traits>
#include <utility>

#include <boost/asio/co_spawn.hpp>

#include "async/io_pool.h"
#include "async/task.h"

namespace tetrarch::async {

/// `auto r = co_await run_blocking(pool, [path] { return read_file(path); });` The function owns what it uses;
/// once begun it is not cancelled.
template <class F>
Task<std::invoke_result_t<F>> run_blocking(BlockingPool& pool, F work) {
  auto body = [](F inner) -> Task<std::invoke_result_t<F>> { co_return inner(); };
  co_return co_await asio::co_spawn(pool.executor(), body(std::move(work)), asio::use_awaitable);
}

}  // namespace tetrarch::async
