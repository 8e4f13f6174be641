// SPDX-License-Identifier: Apache-2.0
// A queue with a capacity between any threads and one consuming coroutine. Full: try_push refuses.
#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "async/timer.h"

namespace tetrarch::async {

template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t capacity) : capacity_(capacity) {}

  /// False when full or closed; then nothing was taken.
  bool try_push(T value) {
    {
      const std::lock_guard lock(mutex_);
      if (is_closed_ || values_.size() >= capacity_) {
        return false;
      }
      values_.push_back(std::move(value));
    }
    filled_.raise();
    return true;
  }

  /// The next value; empty once closed and drained.
  Task<std::optional<T>> pop() {
    while (true) {
      {
        const std::lock_guard lock(mutex_);
        if (!values_.empty()) {
          T value = std::move(values_.front());
          values_.pop_front();
          co_return value;
        }
        if (is_closed_) {
          co_return std::nullopt;
        }
      }
      co_await filled_.wait();
    }
  }

  /// All that is there, at least one and at most `most`; none once closed and drained.
  Task<std::vector<T>> pop_some(std::size_t most) {
    std::vector<T> out;
    auto first = co_await pop();
    if (first) {
      out.push_back(std::move(*first));
      const std::lock_guard lock(mutex_);
      while (!values_.empty() && out.size() < most) {
        out.push_back(std::move(values_.front()));
        values_.pop_front();
      }
    }
    co_return out;
  }

  void close() {
    {
      const std::lock_guard lock(mutex_);
      is_closed_ = true;
    }
    filled_.raise();
  }

  std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return values_.size();
  }

 private:
  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::deque<T> values_;
  bool is_closed_ = false;
  Event filled_;
};

}  // namespace tetrarch::async
