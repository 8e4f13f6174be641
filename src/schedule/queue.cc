// SPDX-License-Identifier: Apache-2.0
#include "schedule/queue.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "schema/views/core.h"

namespace tetrarch::schedule {
namespace {

// Source: kube-scheduler, podInitialBackoffSeconds and podMaxBackoffSeconds.
constexpr std::chrono::seconds kBackOffMin{1};
constexpr std::chrono::seconds kBackOffMax{10};
// Source: kube-scheduler, podMaxInUnschedulablePodsDuration: whatever we failed to notice.
constexpr std::chrono::minutes kSleepMax{5};
/// Of no cluster: whoever sleeps with it wakes without more room.
constexpr std::uint64_t kNoVersion = std::numeric_limits<std::uint64_t>::max();

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
  if (asleep != sleepers_.end()) {
    get_up(asleep);
  }
  make_ready(order_of(pod), pod);
}

void Queue::make_ready(Order order, Stored pod) {
  const auto [known, is_new] = places_.try_emplace(std::get<2>(order), ready_.end());
  if (!is_new) {
    ready_.erase(known->second);
  }
  known->second = ready_.emplace(std::move(order), std::move(pod)).first;
}

void Queue::remove(std::string_view uid) {
  const std::string key(uid);
  if (const auto known = places_.find(key); known != places_.end()) {
    ready_.erase(known->second);
    places_.erase(known);
  }
  if (const auto asleep = sleepers_.find(key); asleep != sleepers_.end()) {
    get_up(asleep);
  }
  tries_.erase(key);
}

std::optional<Stored> Queue::pop() {
  if (ready_.empty()) {
    return std::nullopt;
  }
  Stored pod = std::move(ready_.begin()->second);
  places_.erase(std::get<2>(ready_.begin()->first));
  ready_.erase(ready_.begin());
  return pod;
}

TimePoint Queue::back_off(const std::string& uid, TimePoint now) {
  const int tries = std::min(tries_[uid]++, 10);
  return now + std::min<std::chrono::seconds>(kBackOffMin * (1 << tries), kBackOffMax);
}

void Queue::put_aside(const Stored& pod, std::uint64_t room_version, TimePoint now) {
  const std::string uid(pod.uid());
  lie_down(uid, {pod, order_of(pod), room_version, back_off(uid, now), now + kSleepMax});
}

void Queue::await_room(const Stored& pod, std::uint64_t room_version, TimePoint now) {
  lie_down(std::string(pod.uid()),
           {pod, order_of(pod), room_version, now + kBackOffMin, now + kSleepMax});
}

void Queue::nudge(std::string_view uid) {
  const auto asleep = sleepers_.find(std::string(uid));
  if (asleep == sleepers_.end()) {
    return;
  }
  if (!asleep->second.is_for_room) {
    asleep->second.room_version = kNoVersion;
    return;
  }
  Sleeper up = get_up(asleep);
  make_ready(std::move(up.order), std::move(up.pod));
}

void Queue::retry_later(const Stored& pod, TimePoint now) {
  put_aside(pod, kNoVersion, now);
}

void Queue::lie_down(const std::string& uid, Sleeper sleeper) {
  if (const auto known = sleepers_.find(uid); known != sleepers_.end()) {
    get_up(known);
  }
  backing_off_.emplace(sleeper.not_before, uid);
  sleepers_.emplace(uid, std::move(sleeper));
}

Queue::Sleeper Queue::get_up(std::unordered_map<std::string, Sleeper>::iterator sleeper) {
  auto& [uid, state] = *sleeper;
  if (state.is_for_room) {
    for_room_.erase({state.not_after, uid});
  } else {
    backing_off_.erase({state.not_before, uid});
  }
  Sleeper out = std::move(state);
  sleepers_.erase(sleeper);
  return out;
}

std::optional<TimePoint> Queue::wake(std::uint64_t room_version, TimePoint now) {
  const bool has_more_room = std::exchange(room_version_, room_version) != room_version;
  std::vector<std::string> due;
  for (const auto& [not_after, uid] : for_room_) {
    if (!has_more_room && not_after > now) {
      break;
    }
    due.push_back(uid);
  }
  while (!backing_off_.empty() && backing_off_.begin()->first <= now) {
    const auto uid = backing_off_.begin()->second;
    auto& sleeper = sleepers_.at(uid);
    if (sleeper.room_version != room_version || sleeper.not_after <= now) {
      due.push_back(uid);
    }
    backing_off_.erase(backing_off_.begin());
    sleeper.is_for_room = true;
    for_room_.emplace(sleeper.not_after, uid);
  }
  for (const auto& uid : due) {
    Sleeper up = get_up(sleepers_.find(uid));
    make_ready(std::move(up.order), std::move(up.pod));
  }
  std::optional<TimePoint> next;
  for (const auto* times : {&backing_off_, &for_room_}) {
    if (!times->empty()) {
      next = std::min(next.value_or(times->begin()->first), times->begin()->first);
    }
  }
  return next;
}

}  // namespace tetrarch::schedule
