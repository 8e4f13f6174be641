// SPDX-License-Identifier: Apache-2.0
// The threads: an IoPool runs coroutines, a BlockingPool runs what blocks (fsync, fork, unpack).
// Both are made by app and live longer than everything that uses them.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "async/task.h"

namespace tetrarch::async {

class IoPool {
 public:
  explicit IoPool(int threads);
  ~IoPool();  // stops and joins
  IoPool(const IoPool&) = delete;
  IoPool& operator=(const IoPool&) = delete;

  asio::any_io_executor executor();
  /// A new strand: what one component's state belongs to. Every coroutine runs on a strand.
  asio::any_io_executor strand();
  /// Ends the threads once what runs has returned to the loop; call after the groups have stopped.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class BlockingPool {
 public:
  explicit BlockingPool(int threads);
  ~BlockingPool();  // waits for what was posted
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  void post(std::function<void()> work);
  asio::any_io_executor executor();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tetrarch::async
