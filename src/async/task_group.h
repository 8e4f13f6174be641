// SPDX-License-Identifier: Apache-2.0
// The owner of background coroutines, and the only place that spawns them.
#pragma once

#include <memory>
#include <string>

#include "async/task.h"

namespace tetrarch::async {

/// Spawns tasks on an executor (a strand) and, on stop(), cancels them and waits for their end.
/// Thread-safe. Must be stopped, or have run empty, before it is destroyed: what it owns may hold
/// references.
class TaskGroup {
 public:
  /// `room` names the owner in the log when a task ends with an exception.
  TaskGroup(asio::any_io_executor executor, std::string room);
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  /// On the group's own executor, or on another strand. After stop() has begun the task is dropped
  /// unrun.
  void spawn(Task<void> task);
  void spawn_on(asio::any_io_executor executor, Task<void> task);
  /// Cancels all and waits until each has ended. Not from one of its own tasks.
  Task<void> stop();
  /// The same from a plain thread that is no I/O thread.
  void stop_and_wait();
  std::size_t size() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the completions under way
};

}  // namespace tetrarch::async
