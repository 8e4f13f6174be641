// SPDX-License-Identifier: Apache-2.0
// AvailabilityLoop: says in the status of each APIService of another server whether that can be
// used: what objects tell is reconcile's (api_services.h), the server is asked by a function that
// app gives. Asked again when the APIService, its service or the endpoints change, and every half
// minute. Runs on the cache's strand; its group is stopped before it is destroyed.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>

#include "async/task.h"
#include "async/task_group.h"
#include "async/timer.h"
#include "base/clock.h"
#include "client/client.h"
#include "control/cache.h"

namespace tetrarch::reconcile {
struct Condition;
}

namespace tetrarch::control {

class AvailabilityLoop {
 public:
  /// Asks the server of the APIService of that name. An error says why it cannot be used. Has a
  /// deadline of its own.
  using Probe = std::function<Task<Status>(std::string name)>;

  struct Parts {
    client::Client& client;
    Cache& cache;
    const Clock& clock;
  };

  /// Before the cache runs.
  AvailabilityLoop(Parts parts, Probe probe);

  void run(async::TaskGroup& group);

 private:
  struct Watched {
    std::string service_ns;
    std::string service;
    SteadyPoint due{};
    int failures = 0;         // in a row
    bool is_asked = false;    // a check is under way
    bool is_changed = false;  // since that began
  };

  void note(const reconcile::Observed& change);
  void note_registration(const reconcile::Observed& change);
  void note_service(std::string_view ns, std::string_view service);
  void mark_due(Watched& watched);
  std::chrono::nanoseconds pause() const;
  Task<void> follow(async::TaskGroup& group);
  Task<void> check(std::string name);
  Task<bool> judge(std::string name);
  Task<bool> tell(std::string name, const reconcile::Condition& condition);

  const Parts parts_;
  const Probe probe_;
  std::map<std::string, Watched, std::less<>> watched_;  // by name of the APIService
  async::Event wake_;
};

}  // namespace tetrarch::control
