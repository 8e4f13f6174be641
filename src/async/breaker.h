// SPDX-License-Identifier: Apache-2.0
// Breaker: lets what is no coroutine end a task: a timer's callback, a notice. Cheaper than a
// second task that waits for it (first_of), where there are many.
#pragma once

#include <boost/asio/cancellation_signal.hpp>

#include "async/task.h"

namespace tetrarch::async {

/// Used on one strand.
class Breaker {
 public:
  /// Goes on when the task has ended, by itself or by cut(). The caller's own cancellation reaches
  /// the task, too. Once; this outlives it.
  Task<void> run(Task<void> task);
  /// Cancels the task, be it running or still to run.
  void cut();

  bool is_cut() const { return is_cut_; }

 private:
  asio::cancellation_signal signal_;
  bool is_cut_ = false;
};

}  // namespace tetrarch::async
