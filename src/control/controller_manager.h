// SPDX-License-Identifier: Apache-2.0
// ControllerManager: owns the cache, the leader election and one driver per controller. Made by
// app; does nothing before run(). Everything in it lives on the one strand it is given.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "async/task.h"
#include "async/task_group.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/random.h"
#include "client/client.h"
#include "control/cache.h"
#include "control/controller_driver.h"
#include "control/event_recorder.h"
#include "control/leader_election.h"
#include "reconcile/controller.h"
#include "schema/catalog.h"

namespace tetrarch::control {

/// The resources of the catalog that can be listed and watched: what the cache mirrors, because
/// garbage collection and namespace deletion concern every kind.
std::vector<std::string> mirrored_resources(const schema::Catalog& catalog);

class ControllerManager {
 public:
  /// The nodes whose agents are connected, and for how long each has said nothing. Any thread.
  using Signs = std::function<std::vector<std::pair<std::string, std::chrono::nanoseconds>>()>;

  struct Parts {
    client::Client& client;  ///< as system:kube-controller-manager
    const Clock& clock;
    Random& random;
    Metrics& metrics;
  };

  struct Options {
    std::vector<std::string> resources;  ///< to mirror
    LeaderElection::Options election;    ///< identity is a must
    Signs signs = {};                    ///< asked once a second; none: leases alone tell
  };

  ControllerManager(Parts parts,
                    Options options,
                    std::vector<std::unique_ptr<reconcile::Controller>> controllers,
                    asio::any_io_executor strand);
  ~ControllerManager();

  void run();
  /// Gives the lease back and ends everything. From another strand than ours, or a plain thread
  /// with stop_and_wait().
  Task<void> stop();
  void stop_and_wait();

  bool is_leading() const { return election_.is_leading(); }

  /// For other loops on the same strand (the scheduler's).
  Cache& cache() { return cache_; }

 private:
  Task<void> lead();
  Task<void> listen();
  Task<void> prepare();
  void start_drivers();
  Task<void> stop_drivers();

  Parts parts_;
  asio::any_io_executor strand_;
  std::vector<std::unique_ptr<reconcile::Controller>> controllers_;
  Cache cache_;
  EventRecorder recorder_;
  LeaderElection election_;
  Signs signs_;
  std::vector<std::unique_ptr<ControllerDriver>> drivers_;
  async::TaskGroup group_;                          // the watches, the election, the recorder
  std::unique_ptr<async::TaskGroup> driver_group_;  // while we lead
};

}  // namespace tetrarch::control
