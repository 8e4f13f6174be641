// SPDX-License-Identifier: Apache-2.0
#include "store/queue.h"

#include <algorithm>
#include <utility>

namespace tetrarch::store {

Queue::Push Queue::push(std::vector<Request>& requests) {
  {
    const std::lock_guard lock(mutex_);
    if (is_closed_) {
      return Push::closed;
    }
    if (!waiting_.empty() && waiting_.size() + requests.size() > capacity_) {
      return Push::full;
    }
    for (Request& request : requests) {
      waiting_.push_back(std::move(request));
    }
  }
  filled_.notify_one();
  return Push::taken;
}

std::vector<Request> Queue::take(std::size_t max) {
  std::unique_lock lock(mutex_);
  filled_.wait(lock, [this] { return is_closed_ || !waiting_.empty(); });
  return take_locked(max);
}

std::vector<Request> Queue::take_waiting(std::size_t max) {
  const std::lock_guard lock(mutex_);
  return take_locked(max);
}

bool Queue::is_empty() const {
  const std::lock_guard lock(mutex_);
  return waiting_.empty();
}

std::vector<Request> Queue::take_locked(std::size_t max) {
  std::vector<Request> taken;
  taken.reserve(std::min(max, waiting_.size()));
  while (!waiting_.empty() && taken.size() < max) {
    taken.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  return taken;
}

void Queue::close() {
  {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
  }
  filled_.notify_one();
}

}  // namespace tetrarch::store
