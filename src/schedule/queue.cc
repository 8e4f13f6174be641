// SPDX-License-Identifier: Apache-2.0
#include "schedule/queue.h"

#include <algorithm>
#include <vector>

#include "schema/views/core.h"

namespace tetrarch::schedule {
namespace {

// Source: kube-scheduler, podInitialBackoffSeconds and podMaxBackoffSeconds.
constexpr std::chrono::seconds kBackOffMin{1};
constexpr std::chrono::seconds kBackOffMax{10};
// Source: kube-scheduler, podMaxInUnschedulablePodsDuration: whatever we failed to notice.
constexpr std::chrono::minutes kSleepMax{5};

}  // namespace

Queue::Order Queue::order_of(const Stored& pod) {
  const views::PodView view(pod.root());
  return {-view.spec().priority(),
          std::string(view.metadata().creation_timestamp()),
          std::string(pod.uid())};
}

void Queue::upsert(const Stored& pod) {
  const std::string uid(pod.uid());
  const auto asleep = sleepers_.find(uid);
  // A change of status alone (our own condition, mostly) is no reason to try again.
  if (asleep != sleepers_.end() && asleep->second.pod.root()["spec"].same_as(pod.root()["spec"]) &&
      asleep->second.pod.metadata()["labels"].same_as(pod.metadata()["labels"])) {
    asleep->second.pod = pod;
    return;
  }
  sleepers_.erase(uid);
  if (const auto known = orders_.find(uid); known != orders_.end()) {
    ready_.erase(known->second);
  }
  const auto order = order_of(pod);
  orders_.insert_or_assign(uid, order);
  ready_.insert_or_assign(order, pod);
}

void Queue::remove(std::string_view uid) {
  const std::string key(uid);
  if (const auto known = orders_.find(key); known != orders_.end()) {
    ready_.erase(known->second);
    orders_.erase(known);
  }
  sleepers_.erase(key);
  tries_.erase(key);
}

std::optional<Stored> Queue::pop() {
  if (ready_.empty()) {
    return std::nullopt;
  }
  Stored pod = std::move(ready_.begin()->second);
  orders_.erase(std::get<2>(ready_.begin()->first));
  ready_.erase(ready_.begin());
  return pod;
}

TimePoint Queue::back_off(const std::string& uid, TimePoint now) {
  const int tries = std::min(tries_[uid]++, 10);
  return now + std::min<std::chrono::seconds>(kBackOffMin * (1 << tries), kBackOffMax);
}

void Queue::put_aside(const Stored& pod, std::uint64_t room_version, TimePoint now) {
  const std::string uid(pod.uid());
  sleepers_.insert_or_assign(uid, Sleeper{pod, room_version, back_off(uid, now), now + kSleepMax});
}

void Queue::retry_later(const Stored& pod, TimePoint now) {
  put_aside(pod, 0, now);
}

std::optional<TimePoint> Queue::wake(std::uint64_t room_version, TimePoint now) {
  std::vector<Stored> due;
  std::optional<TimePoint> next;
  for (const auto& [uid, sleeper] : sleepers_) {
    if (sleeper.room_version == room_version && now < sleeper.not_after) {
      continue;
    }
    if (sleeper.not_before <= now) {
      due.push_back(sleeper.pod);
    } else if (!next || sleeper.not_before < *next) {
      next = sleeper.not_before;
    }
  }
  for (const Stored& pod : due) {
    sleepers_.erase(std::string(pod.uid()));
    upsert(pod);
  }
  return next;
}

}  // namespace tetrarch::schedule
