// SPDX-License-Identifier: Apache-2.0
#include "reconcile/pod_state.h"
#include "reconcile/sweeps.h"

namespace tetrarch::reconcile {

namespace {

using std::chrono::seconds;

/// The last time that the event speaks of; its creation where it speaks of none.
TimePoint last_time(const Stored& event) {
  const auto root = event.root();
  auto latest = created_at(event);
  for (const auto text : {root["lastTimestamp"].string(),
                          root["eventTime"].string(),
                          root["series"]["lastObservedTime"].string()}) {
    latest = std::max(latest, parse_time(text).value_or(TimePoint{}));
  }
  return latest;
}

class EventExpiry final : public Controller {
 public:
  explicit EventExpiry(seconds ttl) : ttl_(ttl) {}

  std::string_view name() const override { return "event-expiry"; }

  std::vector<Watching> watches() const override { return {{"events", own_key()}}; }

  Plan reconcile(const Question& asked) const override {
    Plan plan;
    const auto* event = asked.seen.get(asked.key);
    if (event == nullptr) {
      return plan;
    }
    const auto end = last_time(*event) + ttl_;
    if (end <= asked.now) {
      plan.changes.push_back(removal_of(*event));
    } else {
      plan.look_again_at(end);
    }
    return plan;
  }

 private:
  const seconds ttl_;
};

}  // namespace

std::unique_ptr<Controller> event_expiry_controller(seconds ttl) {
  return std::make_unique<EventExpiry>(ttl);
}

}  // namespace tetrarch::reconcile
