// SPDX-License-Identifier: Apache-2.0
// ControllerDriver: the loop around one pure controller. Changes of the cache fill its work queue;
// it asks the controller about a batch of keys, commits their plans together, and looks at a key
// again only once the cache shows what was committed for it: so a reconcile never decides on a view
// older than our own writes.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "async/task.h"
#include "async/timer.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/random.h"
#include "client/client.h"
#include "control/cache.h"
#include "control/event_recorder.h"
#include "control/slow_start.h"
#include "control/work_queue.h"
#include "reconcile/controller.h"

namespace tetrarch::control {

class ControllerDriver {
 public:
  struct Parts {
    client::Client& client;
    Cache& cache;
    EventRecorder& recorder;
    const Clock& clock;
    Random& random;
    Metrics& metrics;
  };

  /// Begins to listen to the cache; everything it shows later is queued, also while not running.
  ControllerDriver(const reconcile::Controller& controller, Parts parts);

  /// Works until its group stops. On the cache's strand. May be run again after that.
  Task<void> run();

  std::size_t queue_size() const { return queue_.size() + parked_.size(); }

 private:
  /// What one key's plan became.
  struct Work {
    Key key;
    reconcile::Plan plan;
    SlowStart pace = {};
    std::vector<Result<Stored>> results = {};  // one per change
  };

  void enqueue(const reconcile::Observed& change);
  void unpark();
  std::vector<Key> take_batch();
  std::vector<Work> plan_batch(const std::vector<Key>& keys);
  Task<void> carry_out(std::vector<Work>& batch);
  Task<bool> carry_out_step(std::vector<Work>& batch);
  Task<void> confirm(Work& work);
  Task<Status> confirm_absent(std::vector<reconcile::Absence> absences);
  Task<Status> confirm_alive(reconcile::Presence presence);
  void settle(Work& work);
  void note_results(const Work& work);
  void wait_for_own_writes(const Work& work);
  void retry_failed(const Work& work);

  const reconcile::Controller& controller_;
  Parts parts_;
  std::vector<reconcile::Watching> watches_;
  WorkQueue queue_;

  /// Keys whose writes the cache has not shown yet: by resource, up to which revision.
  struct Parked {
    std::map<std::string, Revision> until;
    TimePoint since;
    bool is_wanted = false;  // to be looked at as soon as it is shown
  };

  std::map<Key, Parked> parked_;
  std::unordered_map<Key, std::string, KeyHash> last_failures_;
  async::Event wake_;
  Gauge& depth_;
  Counter& reconciles_;
  Counter& changes_;
  Counter& failures_;
  Histogram& seconds_;
};

}  // namespace tetrarch::control
