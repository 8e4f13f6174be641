// SPDX-License-Identifier: Apache-2.0
#include "store/queue.h"

#include <algorithm>
#include <utility>

namespace tetrarch::store {

Queue::Push Queue::push(std::vector<Request>& requests) {
  bool is_news = false;  // to one who waits
  {
    const std::lock_guard lock(mutex_);
    if (is_closed_) {
      return Push::closed;
    }
    if (!waiting_.empty() && waiting_.size() + requests.size() > capacity_) {
      return Push::full;
    }
    is_news = waiting_.empty();
    for (Request& request : requests) {
      urgent_ += request.transaction.is_volatile ? 0 : 1;
      waiting_.push_back(std::move(request));
    }
    is_news = is_news || urgent_ > 0 || waiting_.size() >= wanted_;
  }
  if (is_news) {
    filled_.notify_one();
  }
  return Push::taken;
}

std::vector<Request> Queue::take(std::size_t max) {
  std::unique_lock lock(mutex_);
  wanted_ = max;
  filled_.wait(lock, [this] { return is_closed_ || !waiting_.empty(); });
  filled_.wait_for(
      lock, patience_, [&] { return is_closed_ || urgent_ > 0 || waiting_.size() >= max; });
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
    urgent_ -= waiting_.front().transaction.is_volatile ? 0 : 1;
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
