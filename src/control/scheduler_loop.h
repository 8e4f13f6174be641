// SPDX-License-Identifier: Apache-2.0
// SchedulerLoop: feeds the pure scheduler from the cache, commits its placements in batches, and
// tells users why a pod waits. Runs on the cache's strand; one at a time in a cluster (the leader).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "async/task.h"
#include "async/task_group.h"
#include "async/timer.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "client/client.h"
#include "control/cache.h"
#include "control/event_recorder.h"
#include "schedule/cluster.h"
#include "schedule/queue.h"

namespace tetrarch::control {

class SchedulerLoop {
 public:
  /// Most placements in one commit: what arrived together shares an fsync, and no pod waits long
  /// for the others.
  static constexpr std::size_t kBatchMax = 512;

  struct Parts {
    client::Client& client;  ///< acts as system:kube-scheduler
    Cache& cache;            ///< mirrors "nodes" and "pods"; not running yet
    EventRecorder& events;
    const Clock& clock;
    Metrics& metrics;
  };

  explicit SchedulerLoop(Parts parts);

  /// Spawns the loop on the group's strand, which is the cache's.
  void run(async::TaskGroup& group);

 private:
  /// A pod and where it goes.
  struct Placement {
    Stored pod;
    NodeName node;
  };

  void observe(const reconcile::Observed& change);
  void observe_pod(const reconcile::Observed& change);
  void take_back();
  Task<void> loop();
  Task<void> schedule_batch();
  Task<void> commit(std::vector<Placement> placements);
  void settle(const Placement& placement, const Result<Stored>& answer);
  void note_gates(const Stored& pod);
  Task<void> report(std::vector<client::Change> conditions);
  void refuse(const Stored& pod,
              const schedule::Explanation& why,
              std::vector<client::Change>& conditions);

  Parts parts_;
  schedule::Cluster cluster_;
  schedule::Queue queue_;
  async::Event work_;
  std::unordered_map<std::string, std::string> refused_;  // uid to the reason last told
  /// Pods whose binding is on its way, by uid, as they were seen last. They are not placed again
  /// until the answer is there; one that is gone or bound by then is no longer in it.
  std::unordered_map<std::string, Stored> in_flight_;
  std::map<Key, Stored> gated_;  // whose condition must still say that gates hold them
  Counter& placed_count_;
  Counter& refused_count_;
  Gauge& waiting_;
};

}  // namespace tetrarch::control
