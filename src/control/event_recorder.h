// SPDX-License-Identifier: Apache-2.0
// EventRecorder: turns notes into Event objects. The same note again raises a count; notes that
// differ only in their text are joined when there are many; one object may not fill the store.
// Events are a courtesy: where the server does not take one, or the queue is full, it is dropped
// and counted. A single one is written at once; many are written in batches with pauses between
// them, so that the work that they tell of comes first.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "async/bounded_queue.h"
#include "async/task.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/timed_names.h"
#include "client/client.h"
#include "reconcile/controller.h"

namespace tetrarch::control {

class EventRecorder {
 public:
  struct Pace {
    std::size_t batch = 64;                ///< at most so many in one commit
    std::chrono::milliseconds pause{100};  ///< after several at once
  };

  /// `component` is what `kubectl describe` shows under From.
  EventRecorder(client::Client& client,
                const Clock& clock,
                Random& random,
                Metrics& metrics,
                std::string component);

  /// Before run().
  void set_pace(Pace pace) { pace_ = pace; }

  /// Thread-safe; never waits.
  void record(reconcile::Note note);
  /// Writes what was recorded, until its group stops.
  Task<void> run();

 private:
  /// An Event object that we wrote and may write again.
  struct Written {
    Key key;
    std::int64_t count = 0;
    TimePoint last;
  };

  /// How much an object has said about one reason lately.
  struct Talk {
    int texts = 0;  // different messages
    TimePoint since;
    double tokens = 0;  // of the source's budget
    TimePoint refilled;
  };

  struct Said {
    reconcile::Note note;
    TimePoint at;
  };

  /// What is to become an Event object, with what makes two notes the same.
  struct Fresh {
    Said said;
    std::string identity;
    Key key;
  };

  Task<void> write(std::vector<Said> notes);
  Task<void> write(Said said, std::vector<Fresh>& fresh);
  bool may_speak(const reconcile::Note& note, TimePoint now);
  void join_similar(reconcile::Note& note, TimePoint now);
  /// Whether it was an Event object that is still there.
  Task<bool> repeat(std::string identity, Said said);
  Fresh fresh_from(Said said, std::string identity);
  Task<void> create(std::vector<Fresh>& fresh);
  void forget_old(TimePoint now);

  client::Client& client_;
  const Clock& clock_;
  TimedNames names_;
  const std::string component_;
  Pace pace_;
  Counter& dropped_;
  async::BoundedQueue<Said> queue_;
  std::map<std::string, Written> written_;  // by everything that makes two notes the same
  std::map<std::string, Talk> reasons_;     // by object, type and reason
  std::map<std::string, Talk> objects_;     // by object
};

}  // namespace tetrarch::control
