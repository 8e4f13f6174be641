// SPDX-License-Identifier: Apache-2.0
// The server's seats, divided among levels. A level has seats of its own; what it does not use of
// them it lends in part, and it may use what others lend. A seat on loan is not called back: its
// owner waits for one. Thread-safe; outlives its levels' users.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "api/kubernetes/fair_queue.h"

namespace tetrarch::api::kubernetes {

struct SeatLimits {
  std::size_t own = 0;
  std::size_t lendable = 0;    ///< of its own, how many others may use
  std::size_t borrowable = 0;  ///< beyond its own
  FairQueue::Bounds waiting = {};
};

/// Invariant, but for a moment after a change of limits: seats on loan are no more than idle ones
/// that are lent, so all seats together are never exceeded.
class Seats {
 public:
  struct NamedLimits {
    std::string name;
    SeatLimits limits;
  };

  /// One level; its fields are guarded by Seats.
  class Level {
   public:
    explicit Level(std::string name) : name_(std::move(name)) {}

   private:
    friend class Seats;

    std::size_t borrowed() const { return used_ > limits_.own ? used_ - limits_.own : 0; }

    /// Seats that lie idle for others to use.
    std::size_t idle() const;

    const std::string name_;
    SeatLimits limits_ = {};
    std::size_t used_ = 0;
    FairQueue queue_ = {};
    bool is_open_ = false;
  };

  enum class Entry : std::uint8_t { seated, waits, refused };

  /// The levels that there are from now on, in the order given. One that was there before is the
  /// same Level. Who is in one that is no more is served to the end.
  std::vector<std::shared_ptr<Level>> arrange(std::span<const NamedLimits> levels);

  /// A seat at once, if one is free and nobody waits. Cheap: a lock and a few numbers.
  bool try_enter(Level& level);
  /// Else a place in the queue. Refused: too many wait already.
  Entry enter(Level& level, std::string_view flow, const std::shared_ptr<Waiter>& waiter);
  /// A seat is given back: to whose turn it is.
  void leave(Level& level);
  /// True: the waiter had got a seat meanwhile, and has it. False: it waits no more.
  bool withdraw(Level& level, const std::shared_ptr<Waiter>& waiter);

  std::size_t used(const Level& level) const;
  std::size_t waiting(const Level& level) const;

 private:
  bool may_enter(const Level& level) const;
  void set_used(Level& level, std::size_t count);
  void recount();
  /// The next who gets a seat, if anybody does; own seats come before borrowed ones.
  std::shared_ptr<Waiter> seat_one();
  Level* next_level(bool is_borrowing);
  void seat_all();

  mutable std::mutex mutex_;                    // guards what follows
  std::vector<std::shared_ptr<Level>> levels_;  // shared with those who use them
  std::size_t borrowed_ = 0;                    // of all levels
  std::size_t idle_ = 0;  // of all levels: what is lent and not used by its owner
  std::size_t waiting_ = 0;
  std::size_t turn_ = 0;  // the level that is looked at first
};

}  // namespace tetrarch::api::kubernetes
