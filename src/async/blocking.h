// SPDX-License-Identifier: Apache-2.0
// run_blocking: runs a function on a BlockingPool and resumes the caller on its own strand with the
// result.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/post.hpp>

#include "async/io_pool.h"
#include "async/task.h"

namespace tetrarch::async {

/// `auto r = co_await run_blocking(pool, [path] { return read_file(path); });` The function returns
/// a value; once begun it is not cancelled: the caller's frame waits for its end.
template <class F>
Task<std::invoke_result_t<F>> run_blocking(BlockingPool& pool, F work) {
  using R = std::invoke_result_t<F>;
  auto initiate = [&pool](auto handler, F inner) {
    struct Call {
      decltype(handler) done;
      F work;
    };

    auto executor = asio::get_associated_executor(handler);
    auto call = std::make_shared<Call>(Call{std::move(handler), std::move(inner)});
    pool.post([call, executor] {
      auto result = std::make_shared<R>(call->work());
      asio::post(executor, [call, result] { std::move(call->done)(std::move(*result)); });
    });
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(R)>(
      initiate, asio::use_awaitable, std::move(work));
}

}  // namespace tetrarch::async
