// SPDX-License-Identifier: Apache-2.0
// WorkQueue: which keys a controller has to look at, and when. Each key is in it once; a key in
// work that is added again is given out again only after done(). Not thread-safe: belongs to its
// driver's strand. Bounded by the number of objects.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/clock.h"
#include "object/stored.h"

namespace tetrarch::control {

class WorkQueue {
 public:
  /// To be looked at now.
  void add(const Key& key);
  /// To be looked at then, if not before; the earlier of two times stands.
  void add_at(const Key& key, TimePoint when);
  /// The next key whose time has come; it is in work until done(). A time that it was to be looked
  /// at later is void: whoever looks now says anew when, or nothing is left of a key that is gone.
  std::optional<Key> take(TimePoint now);
  void done(const Key& key);
  /// Whoever worked is gone: everything in work is to be done again.
  void abandon();

  /// Counts a failure and gives the pause before the next try: 5 ms, doubled each time, at most 60
  /// s; `chance` spreads it by up to a half.
  std::chrono::milliseconds fail(const Key& key, std::uint64_t chance);

  void succeed(const Key& key) { failures_.erase(key); }

  /// When the earliest waiting key is due; none: nothing waits.
  std::optional<TimePoint> next_time() const;

  bool has_ready() const { return !ready_.empty(); }

  std::size_t size() const { return ready_.size() + waiting_.size(); }

 private:
  void forget_time(const Key& key);

  // By hash: keys of one resource begin alike, and thousands of them may wait.
  using Keys = std::unordered_set<Key, KeyHash>;

  std::deque<Key> ready_;
  Keys is_ready_;                                // the same as ready_
  std::map<Key, TimePoint> waiting_;             // due later
  std::set<std::pair<TimePoint, Key>> by_time_;  // the same as waiting_
  Keys in_work_;
  Keys again_;  // in work and added again
  std::unordered_map<Key, int, KeyHash> failures_;
};

}  // namespace tetrarch::control
