// SPDX-License-Identifier: Apache-2.0
// SchedulerLoop: feeds the pure scheduler from the cache, commits its placements in batches, makes
// room for important pods by evicting others, and tells users why a pod waits. Runs on the cache's
// strand; one at a time in a cluster (the leader).
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
#include "control/evictor.h"
#include "schedule/cluster.h"
#include "schedule/queue.h"

namespace tetrarch::control {

class SchedulerLoop {
 public:
  /// Most placements in one commit: what arrived together shares an fsync, and no pod waits long
  /// for the others.
  static constexpr std::size_t kBatchMax = 512;
  /// While one is made durable, the next is decided and planned.
  static constexpr int kCommitsMax = 2;

  struct Parts {
    client::Client& client;  ///< acts as system:kube-scheduler
    /// Mirrors "nodes", "pods" and "poddisruptionbudgets.policy"; not running yet.
    Cache& cache;
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

  /// What one turn decided, to be written.
  struct Turn {
    std::vector<Placement> placements = {};
    std::vector<client::Change> statuses = {};
    std::vector<Eviction> evictions = {};
  };

  void observe(const reconcile::Observed& change);
  void observe_pod(const reconcile::Observed& change);
  void take_back();
  Task<void> loop(async::TaskGroup& group);
  Task<void> schedule_batch(async::TaskGroup& group);
  void schedule(Stored pod, Turn& turn);
  void place(Stored pod, NodeName node, Turn& turn);
  Task<void> commit(std::vector<Placement> placements);
  Task<void> commit_aside(std::vector<Placement> placements);
  void settle(const Placement& placement, const Result<Stored>& answer);
  void note_gates(const Stored& pod);
  Task<void> report(std::vector<client::Change> statuses);
  Task<void> evict(std::vector<Eviction> evictions);
  void await_room(const Stored& pod, const NodeName& held, Turn& turn);
  void refuse(const Stored& pod, std::string message, const NodeName& nominated, Turn& turn);
  void plan_evictions(const Stored& pod, const schedule::Room& room, Turn& turn);
  void stay(const std::string& victim_uid);
  void displace(const std::vector<std::string>& uids, Turn& turn);
  void tell(const Stored& pod, std::string message, const NodeName& nominated, Turn& turn);

  Parts parts_;
  schedule::Cluster cluster_;
  schedule::Queue queue_;
  Evictor evictor_;
  async::Event work_;
  int commits_ = 0;                                       // on their way beside the loop
  std::unordered_map<std::string, std::string> refused_;  // uid to the reason last told
  /// Pods whose binding is on its way, by uid, as they were seen last. They are not placed again
  /// until the answer is there; one that is gone or bound by then is no longer in it.
  std::unordered_map<std::string, Stored> in_flight_;
  /// Uids of pods whose eviction is on its way, and of the pods that they make room for.
  std::map<std::string, std::string> leaving_;
  std::map<Key, Stored> gated_;  // whose condition must still say that gates hold them
  Counter& placed_count_;
  Counter& refused_count_;
  Counter& evicted_count_;
  Gauge& waiting_;
};

}  // namespace tetrarch::control
