// SPDX-License-Identifier: Apache-2.0
// Watcher: the state of one subscription: what it began with (replay) and what has come since
// (unread).
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "store/history.h"
#include "store/hub.h"
#include "store/store.h"

namespace tetrarch::store {

/// What a change means under a filter; none where it does not concern it.
std::optional<Event::Type> meaning(const WatchFilter& filter, const Change& change);

/// What a watcher holds by not having read a change: its document.
std::size_t held_bytes(const Change& change);

/// A queue that takes no memory while it is empty: there are many, and most are.
template <class T>
class Backlog {
 public:
  bool empty() const { return first_ == items_.size(); }

  std::size_t size() const { return items_.size() - first_; }

  T& front() { return items_[first_]; }

  void push_back(T item) { items_.push_back(std::move(item)); }

  void pop_front() {
    items_[first_++] = T{};
    if (empty()) {
      clear();
    } else if (first_ >= kRoom && first_ >= size()) {
      items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(first_));
      first_ = 0;
    }
  }

  void clear() {
    first_ = 0;
    items_.clear();
    if (items_.capacity() > kRoom) {
      items_.shrink_to_fit();
    }
  }

 private:
  static constexpr std::size_t kRoom = 8;  // that an empty one may keep

  std::vector<T> items_;  // from first_ on
  std::size_t first_ = 0;
};

/// Shared by its subscription (one thread) and the Hub (the committer's).
struct Watcher {
  WatchFilter filter;
  Revision from;

  std::mutex mutex;  // guards the four below
  Backlog<Change> unread;
  std::size_t unread_bytes = 0;  // of their documents
  bool has_fallen_behind = false;
  bool is_woken = false;  // is on the committer's list already

  std::mutex callback_mutex;  // held during the call, so that ending it waits
  std::function<void()> callback;

  // Only the subscription's thread:
  Backlog<Slice> replay;
  Revision polled;  // everything up to here has been polled
};

std::unique_ptr<Subscription> make_subscription(std::shared_ptr<Hub> hub,
                                                std::shared_ptr<Watcher> watcher);

}  // namespace tetrarch::store
