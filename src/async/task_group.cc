// SPDX-License-Identifier: Apache-2.0
#include "async/task_group.h"

#include <condition_variable>
#include <exception>
#include <list>
#include <mutex>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

#include "async/timer.h"
#include "base/check.h"
#include "base/log.h"

namespace tetrarch::async {

struct Entry {
  asio::any_io_executor executor;
  asio::cancellation_signal signal;  // touched only on `executor`
};

struct TaskGroup::State {
  asio::any_io_executor executor;
  std::string room;
  mutable std::mutex mutex;
  std::condition_variable empty;
  std::list<std::shared_ptr<Entry>> entries;
  bool is_stopping = false;

  void finished(std::list<std::shared_ptr<Entry>>::iterator at, const std::exception_ptr& error) {
    if (error) {
      report(error);
    }
    const std::lock_guard lock(mutex);
    entries.erase(at);
    empty.notify_all();
  }

  /// The first frame of ours above a coroutine: no exception goes further.
  void report(const std::exception_ptr& error) const {
    try {
      std::rethrow_exception(error);
    } catch (const boost::system::system_error& e) {
      if (e.code() != asio::error::operation_aborted) {
        log::error(room, "a task ended: {}", e.what());
      }
    } catch (const std::exception& e) {
      log::error(room, "a task ended: {}", e.what());
    }
  }

  void cancel_all() {
    const std::lock_guard lock(mutex);
    is_stopping = true;
    for (const auto& entry : entries) {
      asio::post(entry->executor,
                 [entry] { entry->signal.emit(asio::cancellation_type::terminal); });
    }
  }
};

TaskGroup::TaskGroup(asio::any_io_executor executor, std::string room)
    : state_(std::make_shared<State>()) {
  state_->executor = std::move(executor);
  state_->room = std::move(room);
}

TaskGroup::~TaskGroup() {
  CHECK(size() == 0);
}

void TaskGroup::spawn(Task<void> task) {
  spawn_on(state_->executor, std::move(task));
}

void TaskGroup::spawn_on(asio::any_io_executor executor, Task<void> task) {
  auto entry = std::make_shared<Entry>();
  entry->executor = executor;
  std::list<std::shared_ptr<Entry>>::iterator at;
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->is_stopping) {
      return;
    }
    at = state_->entries.insert(state_->entries.end(), entry);
  }
  auto done = [state = state_, at, entry](const std::exception_ptr& error) {
    state->finished(at, error);
  };
  // The slot is connected on the task's own strand, where stop() emits the signal.
  asio::post(executor, [executor, entry, body = std::move(task), end = std::move(done)]() mutable {
    asio::co_spawn(executor,
                   std::move(body),
                   asio::bind_cancellation_slot(entry->signal.slot(), std::move(end)));
  });
}

Task<void> TaskGroup::stop() {
  state_->cancel_all();
  while (size() > 0) {
    co_await sleep_for(std::chrono::milliseconds(1));
  }
}

void TaskGroup::stop_and_wait() {
  state_->cancel_all();
  std::unique_lock lock(state_->mutex);
  state_->empty.wait(lock, [this] { return state_->entries.empty(); });
}

std::size_t TaskGroup::size() const {
  const std::lock_guard lock(state_->mutex);
  return state_->entries.size();
}

}  // namespace tetrarch::async
