// SPDX-License-Identifier: Apache-2.0
// Queue: pods that wait for a node, by priority, then by age. A pod that fitted nowhere sleeps
// until there is more room somewhere, and at least for its back-off (1 s doubling to 10 s), but no
// longer than five minutes. Not thread-safe: one strand.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>

#include "base/clock.h"
#include "object/stored.h"

namespace tetrarch::schedule {

class Queue {
 public:
  /// A waiting pod is new or has changed.
  void upsert(const Stored& pod);
  /// It was bound, deleted or is no business of ours.
  void remove(std::string_view uid);
  /// The most important pod that is ready; it is out of the queue until upsert or put_aside.
  std::optional<Stored> pop();
  /// It fits nowhere: sleeps until `room_version` has grown and its back-off is over.
  void put_aside(const Stored& pod, std::uint64_t room_version, TimePoint now);
  /// A node is being emptied for it: as put_aside, but looked at again and again, not later and
  /// later.
  void await_room(const Stored& pod, std::uint64_t room_version, TimePoint now);
  /// What a sleeper waits for has changed for it alone: tried again once its back-off is over.
  void nudge(std::string_view uid);
  /// Its commit failed: tried again after its back-off.
  void retry_later(const Stored& pod, TimePoint now);
  /// Wakes the sleepers that are due: costs those, not the others. Returns when to look again where
  /// time alone may wake one.
  std::optional<TimePoint> wake(std::uint64_t room_version, TimePoint now);

  std::size_t ready() const { return ready_.size(); }

  std::size_t asleep() const { return sleepers_.size(); }

 private:
  /// Negated priority, creation time, uid.
  using Order = std::tuple<std::int64_t, std::string, std::string>;
  using Ready = std::map<Order, Stored>;

  struct Sleeper {
    Stored pod;
    Order order;  ///< read while the pod was at hand: thousands of them wake at once
    std::uint64_t room_version;
    TimePoint not_before;
    TimePoint not_after;
    bool is_for_room = false;
  };

  /// Sleepers by a time of theirs.
  using Times = std::set<std::pair<TimePoint, std::string>>;

  static Order order_of(const Stored& pod);
  void make_ready(Order order, Stored pod);
  void lie_down(const std::string& uid, Sleeper sleeper);
  Sleeper get_up(std::unordered_map<std::string, Sleeper>::iterator sleeper);
  TimePoint back_off(const std::string& uid, TimePoint now);

  Ready ready_;
  std::unordered_map<std::string, Ready::iterator> places_;  // in ready_, by uid
  std::unordered_map<std::string, Sleeper> sleepers_;  // by uid; each also in one of these two:
  Times backing_off_;                                  // by not_before
  Times for_room_;                                     // back-off over: by not_after
  std::uint64_t room_version_ = 0;                     // of the last wake
  std::unordered_map<std::string, int> tries_;         // failures so far, by uid
};

}  // namespace tetrarch::schedule
