// SPDX-License-Identifier: Apache-2.0
// A number of seats for requests under way, and a bounded queue for those who wait, in which users
// take turns: who asks a thousand times waits for himself. Thread-safe; outlives its seats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace tetrarch::api::kubernetes {

struct FairQueueLimits {
  std::size_t seats = 1;
  std::size_t waiting_per_user = 0;
  std::size_t waiting = 0;  ///< of all users
};

class FairQueue {
 public:
  /// One who waits. `called` is called once, on any thread, when a seat is there.
  struct Waiter {
    std::function<void()> called;
    std::string user = {};
    bool has_seat = false;  // guarded by the queue
  };

  enum class Entry : std::uint8_t { seated, waits, refused };

  explicit FairQueue(FairQueueLimits limits) : limits_(limits) {}

  /// A seat at once, if one is free and nobody waits. Cheap: a lock and two numbers.
  bool try_enter();
  /// Else a place in the queue. Refused: too many wait already.
  Entry enter(std::string_view user, const std::shared_ptr<Waiter>& waiter);
  /// A seat is given back: to whose turn it is.
  void leave();
  /// True: the waiter had got a seat meanwhile, and has it. False: it waits no more.
  bool withdraw(const std::shared_ptr<Waiter>& waiter);

  std::size_t seated() const;
  std::size_t waiting() const;

 private:
  using Line = std::deque<std::shared_ptr<Waiter>>;

  const FairQueueLimits limits_;
  mutable std::mutex mutex_;  // guards what follows
  std::size_t seated_ = 0;
  std::size_t waiting_ = 0;
  std::map<std::string, Line, std::less<>> lines_;  // one per user who waits; none is empty
  std::deque<std::string> turns_;                   // the users of lines_, whose turn is next first
};

}  // namespace tetrarch::api::kubernetes
