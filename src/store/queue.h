// SPDX-License-Identifier: Apache-2.0
// Queue: what waits for the committer. Bounded: full, it refuses. Thread-safe.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "store/store.h"

namespace tetrarch::store {

struct Request {
  Transaction transaction;
  std::function<void(Committing)> done;
};

class Queue {
 public:
  enum class Push : std::uint8_t { taken, full, closed };

  explicit Queue(std::size_t capacity) : capacity_(capacity) {}

  /// Takes all of them, next to each other and in order, or none. More than the capacity go into an
  /// empty queue only.
  Push push(std::vector<Request>& requests);
  /// Waits for something; takes up to `max`. Empty: closed and drained. One consumer.
  std::vector<Request> take(std::size_t max);
  /// The same without waiting.
  std::vector<Request> take_waiting(std::size_t max);
  bool is_empty() const;
  void close();

 private:
  std::vector<Request> take_locked(std::size_t max);

  const std::size_t capacity_;
  mutable std::mutex mutex_;  // guards all below
  std::condition_variable filled_;
  std::deque<Request> waiting_;
  bool is_closed_ = false;
};

}  // namespace tetrarch::store
