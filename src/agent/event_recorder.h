// SPDX-License-Identifier: Apache-2.0
// Events about pods and the node, for `kubectl describe`. Repeats of one event raise its count
// instead of making more. Bounded: when the server is slow, the oldest waiting events are dropped.
// Used on the agent's strand.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>

#include "async/task.h"
#include "async/timer.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/timed_names.h"
#include "client/client.h"

namespace tetrarch::agent {

/// The object that an event is about.
struct EventSubject {
  std::string kind = "Pod";
  std::string ns;
  std::string name;
  std::string uid;
  std::string field_path = {};  ///< spec.containers{main}
};

class EventRecorder {
 public:
  EventRecorder(client::Client& client, std::string node_name, const Clock& clock, Random& random);

  void normal(const EventSubject& subject, std::string_view reason, std::string message);
  void warning(const EventSubject& subject, std::string_view reason, std::string message);

  /// Sends what waits; owned by a TaskGroup.
  Task<void> send();

 private:
  struct Known {
    std::string name;  ///< of the Event object
    std::int64_t count = 0;
    std::string first;  ///< RFC 3339
    TimePoint last = {};
  };

  struct Waiting {
    EventSubject subject;
    std::string type;
    std::string reason;
    std::string message;
    TimePoint at;
  };

  void add(Waiting event);
  Task<void> send_one(Waiting event);
  std::string document(const Waiting& event, const Known& known) const;

  client::Client& client_;
  std::string node_name_;
  const Clock& clock_;
  TimedNames names_;
  std::deque<Waiting> waiting_;
  std::map<std::string, Known> known_;
  async::Event has_waiting_;
};

}  // namespace tetrarch::agent
