// SPDX-License-Identifier: Apache-2.0
// run_blocking for functions that return a Result (or anything else that has no default value).
// Name the lambda before the co_await expression: g++ 12 destroys a closure twice that is made
// inside one.
#pragma once

#include <optional>
#include <type_traits>
#include <utility>

#include "async/blocking.h"

namespace tetrarch::agent::runtime {

template <class F>
Task<std::invoke_result_t<F>> on_pool(async::BlockingPool& pool, F work) {
  using Value = std::invoke_result_t<F>;
  auto boxed = [inner = std::move(work)]() mutable { return std::optional<Value>(inner()); };
  auto out = co_await async::run_blocking(pool, std::move(boxed));
  co_return std::move(*out);
}

}  // namespace tetrarch::agent::runtime
