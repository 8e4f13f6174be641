// SPDX-License-Identifier: Apache-2.0
// Evictor: ends pods that make room for more important ones: tells each why, then deletes it with
// its own grace. Runs on the scheduler loop's strand.
#pragma once

#include <string>
#include <vector>

#include "async/task.h"
#include "base/clock.h"
#include "client/client.h"
#include "control/event_recorder.h"

namespace tetrarch::control {

/// A pod that must go, and for whom.
struct Eviction {
  Stored victim;
  std::string preemptor_uid;
  NodeName node;
};

class Evictor {
 public:
  Evictor(client::Client& client, EventRecorder& events, const Clock& clock)
      : client_(client), events_(events), clock_(clock) {}

  /// All conditions in one commit, then all deletes in another. Answers the uids of those that
  /// could not be evicted; one that is gone already was.
  Task<std::vector<std::string>> evict(std::vector<Eviction> evictions);

 private:
  Task<std::vector<Eviction>> tell(std::vector<Eviction> evictions, std::vector<std::string>* kept);
  Task<Result<Stored>> tell_alone(Stored victim);

  client::Client& client_;
  EventRecorder& events_;
  const Clock& clock_;
};

}  // namespace tetrarch::control
