// SPDX-License-Identifier: Apache-2.0
// Hub: who watches what. The committer publishes each batch of changes; a change reaches exactly
// the subscriptions filed under its name, tag, namespace or resource, so that a write costs only
// those concerned.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/metrics.h"
#include "store/history.h"
#include "store/store.h"

namespace tetrarch::store {

/// A change on its way to the watchers; `resource` outlives the call.
struct Publication {
  std::string_view resource;
  Change change;
};

struct Watcher;  // the state of one subscription

/// Thread-safe. Shared by the store and its subscriptions, which may outlive it.
class Hub : public std::enable_shared_from_this<Hub> {
 public:
  Hub(const Options& options, Revision last, Revision first);

  /// Before anything is published: how many objects of a resource there are.
  void begin(std::string_view resource, std::size_t objects);

  /// `newest` is the newest revision that anybody can have seen.
  Result<std::unique_ptr<Subscription>> watch(WatchFilter filter, Revision from, Revision newest);
  /// Committer only: files the changes, then wakes. All changes up to `head` have then been
  /// published.
  void publish(const std::vector<Publication>& changes, Revision head);
  Revision compacted() const;

  Revision published() const { return Revision{published_.load(std::memory_order_acquire)}; }

  void remove(const std::shared_ptr<Watcher>& watcher);

 private:
  using Watchers = std::vector<std::shared_ptr<Watcher>>;

  struct TextHash {
    using is_transparent = void;

    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };

  using Shelf = std::unordered_map<std::string, Watchers, TextHash, std::equal_to<>>;

  /// The watchers of one resource, each filed once, under the narrowest that its filter names.
  struct Desk {
    Watchers all;
    Shelf by_ns;
    Shelf by_tag;
    Shelf by_name;
  };

  void file(const std::shared_ptr<Watcher>& watcher);
  void deliver(const Publication& publication, Watchers& woken);
  void deliver_to(const Watchers& watchers, const Change& change, Watchers& woken);
  void deliver_from(const Shelf& shelf,
                    std::string_view topic,
                    const Change& change,
                    Watchers& woken);

  const std::size_t unread_max_;
  const std::size_t unread_bytes_max_;
  Gauge* const watchers_gauge_;
  Gauge* const events_gauge_;
  Gauge* const bytes_gauge_;
  std::atomic<std::uint64_t> published_;
  mutable std::mutex mutex_;  // guards the history and the desks; taken before a watcher's
  History history_;
  std::unordered_map<std::string, Desk, TextHash, std::equal_to<>> desks_;
};

}  // namespace tetrarch::store
