// SPDX-License-Identifier: Apache-2.0
// Cache: keeps a reconcile::Mirror true to the server by one list and watch per resource. Used by
// the controller drivers and the scheduler's loop, all on one strand: whoever is told of a change,
// or reads the mirror, runs on it.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "async/task.h"
#include "async/task_group.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/random.h"
#include "client/client.h"
#include "reconcile/mirror.h"

namespace tetrarch::control {

class Cache {
 public:
  struct Parts {
    client::Client& client;
    const Clock& clock;
    Random& random;
    Metrics& metrics;
  };

  Cache(Parts parts, std::vector<std::string> resources);

  /// Spawns the watches on the group's strand. The group is stopped before the cache is destroyed.
  void run(async::TaskGroup& group);

  /// Every resource has been listed once. Never false again.
  bool is_synced() const { return unsynced_ == 0; }

  const reconcile::Mirror& mirror() const { return mirror_; }

  /// A node's agent gave a sign that long ago. On the strand.
  void hear(std::string_view node, std::chrono::nanoseconds ago);
  /// Before whatever decides on the mirror: a sign that did not come while this process did not run
  /// is no silence, whichever of its timers is the first to notice. On the strand.
  void attend();

  bool mirrors(std::string_view resource) const;
  /// Called after each change, on the strand. Before run() only.
  void listen(reconcile::Mirror::Listener listener);
  /// Called after each batch of changes or bookmarks, and when synced. Before run() only.
  void on_progress(std::function<void()> callback);

 private:
  Task<void> follow(std::string resource);
  Task<Result<Revision>> list(std::string resource);
  Task<void> watch_from(std::string resource, Revision from);
  Task<Error> watch(std::string resource, Revision* from);
  std::chrono::milliseconds spread(std::chrono::milliseconds pause) const;
  Task<void> notice_absence();
  void take(const client::WatchEvent& event);
  void tell_progress() const;

  Parts parts_;
  std::vector<std::string> resources_;
  std::size_t unsynced_;
  reconcile::Mirror mirror_;
  TimePoint attended_{};
  std::vector<std::function<void()>> progress_;
};

}  // namespace tetrarch::control
