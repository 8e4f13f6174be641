// SPDX-License-Identifier: Apache-2.0
// EventRecorder: turns notes into Event objects. The same note again raises a count; notes that
// differ only in their text are joined when there are many; one object may not fill the store.
// Events are a courtesy: where the server does not take one, or the queue is full, it is dropped
// and counted.
#pragma once

#include <map>
#include <string>

#include "async/bounded_queue.h"
#include "async/task.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/random.h"
#include "client/client.h"
#include "reconcile/controller.h"

namespace tetrarch::control {

class EventRecorder {
 public:
  /// `component` is what `kubectl describe` shows under From.
  EventRecorder(client::Client& client,
                const Clock& clock,
                Random& random,
                Metrics& metrics,
                std::string component);

  /// Thread-safe; never waits.
  void record(reconcile::Note note);
  /// Writes what was recorded, until its group stops.
  Task<void> run();

 private:
  /// An Event object that we wrote and may write again.
  struct Written {
    Key key;
    std::int64_t count = 0;
    TimePoint first;
    TimePoint last;
  };

  /// How much an object has said about one reason lately.
  struct Talk {
    int texts = 0;  // different messages
    TimePoint since;
    double tokens = 0;  // of the source's budget
    TimePoint refilled;
  };

  Task<void> write(reconcile::Note note);
  bool may_speak(const reconcile::Note& note, TimePoint now);
  void join_similar(reconcile::Note& note, TimePoint now);
  Task<Status> repeat(Written* written, std::string message);
  Task<void> create(reconcile::Note note, std::string identity);
  void forget_old(TimePoint now);

  client::Client& client_;
  const Clock& clock_;
  Random& random_;
  const std::string component_;
  Counter& dropped_;
  async::BoundedQueue<reconcile::Note> queue_;
  std::map<std::string, Written> written_;  // by everything that makes two notes the same
  std::map<std::string, Talk> reasons_;     // by object, type and reason
  std::map<std::string, Talk> objects_;     // by object
};

}  // namespace tetrarch::control
