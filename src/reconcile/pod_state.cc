// SPDX-License-Identifier: Apache-2.0
#include "reconcile/pod_state.h"

namespace tetrarch::reconcile {

bool is_terminating(const Stored& object) {
  return object.metadata()["deletionTimestamp"].is_string();
}

bool is_finished(views::PodView pod) {
  const auto phase = pod.status().phase();
  return phase == "Succeeded" || phase == "Failed";
}

bool is_active(const Stored& pod) {
  return !is_terminating(pod) && !is_finished(views::PodView(pod.root()));
}

bool is_ready(views::PodView pod) {
  for (const auto condition : pod.status().conditions()) {
    if (condition.type() == "Ready") {
      return condition.status() == "True";
    }
  }
  return false;
}

std::optional<TimePoint> ready_since(views::PodView pod) {
  for (const auto condition : pod.status().conditions()) {
    if (condition.type() == "Ready" && condition.status() == "True") {
      return parse_time(condition.last_transition_time()).value_or(TimePoint{});
    }
  }
  return std::nullopt;
}

std::optional<TimePoint> available_from(views::PodView pod, std::int64_t min_ready_seconds) {
  auto since = ready_since(pod);
  if (since && min_ready_seconds == 0) {
    return TimePoint{};
  }
  if (since) {
    *since += std::chrono::seconds(min_ready_seconds);
  }
  return since;
}

views::OwnerReferenceView controller_of(const Stored& object) {
  for (const auto reference : object.metadata()["ownerReferences"].elements()) {
    if (reference["controller"].boolean()) {
      return views::OwnerReferenceView(reference);
    }
  }
  return {};
}

TimePoint created_at(const Stored& object) {
  return parse_time(object.metadata()["creationTimestamp"].string()).value_or(TimePoint{});
}

}  // namespace tetrarch::reconcile
