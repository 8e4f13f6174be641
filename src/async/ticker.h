// SPDX-License-Identifier: Apache-2.0
// Ticker: calls a function again and again without a coroutine that waits for it: for what every
// one of many connections does every few seconds.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "async/task.h"

namespace tetrarch::async {

/// Made, used and destroyed on `strand`, where it also calls `tick`: `first` after it was made, and
/// then after what each call returns; never once it is gone.
class Ticker {
 public:
  using Tick = std::function<std::chrono::nanoseconds()>;

  Ticker(const asio::any_io_executor& strand, std::chrono::nanoseconds first, Tick tick);
  ~Ticker();
  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the wait under way
};

}  // namespace tetrarch::async
