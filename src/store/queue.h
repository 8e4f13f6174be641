// SPDX-License-Identifier: Apache-2.0
// Queue: what waits for the committer. Bounded: full, it refuses. What is written without fsync
// (the renewals of a thousand leases) waits a moment for company, but holds up nobody. Thread-safe.
#pragma once

#include <chrono>
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

  /// `patience`: how long requests wait for others while all of them are volatile.
  Queue(std::size_t capacity, std::chrono::nanoseconds patience)
      : capacity_(capacity), patience_(patience) {}

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
  const std::chrono::nanoseconds patience_;
  mutable std::mutex mutex_;  // guards all below
  std::condition_variable filled_;
  std::deque<Request> waiting_;
  std::size_t urgent_ = 0;  // of them: not volatile
  std::size_t wanted_ = 0;  // no more are taken at once
  bool is_closed_ = false;
};

}  // namespace tetrarch::store
