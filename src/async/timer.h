// SPDX-License-Identifier: Apache-2.0
// Waiting: for a time, or for a notification with a deadline.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>

#include "async/task.h"

namespace tetrarch::async {

Task<void> sleep_for(std::chrono::nanoseconds duration);

/// A flag that one coroutine waits for and any thread raises. Raised while nobody waits, the next
/// wait returns at once; several raises between two waits count as one. The waiter must run on a
/// strand.
class Event {
 public:
  Event();
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void raise();
  /// True if raised, false at the deadline.
  Task<bool> wait_for(std::chrono::nanoseconds deadline);
  /// Waits without a deadline: only where the group's stop is the deadline.
  Task<void> wait();

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with a cancellation under way
};

}  // namespace tetrarch::async
