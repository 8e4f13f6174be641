// SPDX-License-Identifier: Apache-2.0
// Watcher: the state of one subscription: what it began with (replay) and what has come since
// (unread).
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "store/history.h"
#include "store/hub.h"
#include "store/store.h"

namespace tetrarch::store {

/// What a change means under a filter; none where it does not concern it.
std::optional<Event::Type> meaning(const WatchFilter& filter, const Change& change);

/// What a watcher holds by not having read a change: its document.
std::size_t held_bytes(const Change& change);

/// Shared by its subscription (one thread) and the Hub (the committer's).
struct Watcher {
  WatchFilter filter;
  Revision from;

  std::mutex mutex;  // guards the four below
  std::deque<Change> unread;
  std::size_t unread_bytes = 0;  // of their documents
  bool has_fallen_behind = false;
  bool is_woken = false;  // is on the committer's list already

  std::mutex callback_mutex;  // held during the call, so that ending it waits
  std::function<void()> callback;

  // Only the subscription's thread:
  std::deque<Slice> replay;
  Revision polled;  // everything up to here has been polled
};

std::unique_ptr<Subscription> make_subscription(std::shared_ptr<Hub> hub,
                                                std::shared_ptr<Watcher> watcher);

}  // namespace tetrarch::store
