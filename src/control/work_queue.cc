// SPDX-License-Identifier: Apache-2.0
#include "control/work_queue.h"

#include <algorithm>

namespace tetrarch::control {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstPause{5};
constexpr milliseconds kLongestPause{60'000};
constexpr int kDoublingsMost = 14;

}  // namespace

void WorkQueue::add(const Key& key) {
  if (in_work_.contains(key)) {
    again_.insert(key);
    return;
  }
  if (is_ready_.insert(key).second) {
    ready_.push_back(key);
  }
}

void WorkQueue::add_at(const Key& key, TimePoint when) {
  const auto found = waiting_.find(key);
  if (found != waiting_.end()) {
    if (found->second <= when) {
      return;
    }
    forget_time(key);
  }
  waiting_.emplace(key, when);
  by_time_.emplace(when, key);
}

void WorkQueue::forget_time(const Key& key) {
  const auto found = waiting_.find(key);
  if (found != waiting_.end()) {
    by_time_.erase({found->second, key});
    waiting_.erase(found);
  }
}

std::optional<Key> WorkQueue::take(TimePoint now) {
  while (!by_time_.empty() && by_time_.begin()->first <= now) {
    const Key due = by_time_.begin()->second;
    forget_time(due);
    add(due);
  }
  if (ready_.empty()) {
    return std::nullopt;
  }
  Key key = std::move(ready_.front());
  ready_.pop_front();
  is_ready_.erase(key);
  forget_time(key);
  in_work_.insert(key);
  return key;
}

void WorkQueue::done(const Key& key) {
  in_work_.erase(key);
  if (again_.erase(key) > 0) {
    add(key);
  }
}

void WorkQueue::abandon() {
  const auto in_work = std::exchange(in_work_, {});
  again_.clear();
  for (const auto& key : std::set<Key>(in_work.begin(), in_work.end())) {
    add(key);
  }
}

milliseconds WorkQueue::fail(const Key& key, std::uint64_t chance) {
  const int doublings = std::min(failures_[key]++, kDoublingsMost);
  const auto pause = std::min(kFirstPause * (1 << doublings), kLongestPause);
  const auto spread = static_cast<std::uint64_t>(pause.count() / 2 + 1);
  return pause / 2 + milliseconds(static_cast<std::int64_t>(chance % spread));
}

std::optional<TimePoint> WorkQueue::next_time() const {
  if (by_time_.empty()) {
    return std::nullopt;
  }
  return by_time_.begin()->first;
}

}  // namespace tetrarch::control
