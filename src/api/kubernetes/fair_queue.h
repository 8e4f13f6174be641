// SPDX-License-Identifier: Apache-2.0
// Those who wait for a seat of one level: a line for each flow, and flows take turns, so who asks a
// thousand times waits for himself. Bounded. Guarded by its owner, Seats.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace tetrarch::api::kubernetes {

/// One who waits.
struct Waiter {
  std::function<void()> called;  ///< called once, on any thread, when a seat is there
  std::string flow = {};
  bool has_seat = false;  ///< guarded by Seats
};

class FairQueue {
 public:
  /// At the end of the flow's line; false: it is full.
  struct Bounds {
    std::size_t of_flow = 0;
    std::size_t of_all = 0;
  };

  bool push(std::string_view flow, const std::shared_ptr<Waiter>& waiter, const Bounds& bounds);
  /// Whose turn it is. Not for an empty queue.
  std::shared_ptr<Waiter> pop();
  /// Waits no more; nothing where it does not wait.
  void remove(const std::shared_ptr<Waiter>& waiter);

  std::size_t size() const { return size_; }

 private:
  using Line = std::deque<std::shared_ptr<Waiter>>;

  std::size_t size_ = 0;
  std::map<std::string, Line, std::less<>> lines_;  // one per flow that waits; none is empty
  std::deque<std::string> turns_;                   // the flows of lines_, whose turn is next first
};

}  // namespace tetrarch::api::kubernetes
