// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/fair_queue.h"

#include <algorithm>

#include "base/check.h"

namespace tetrarch::api::kubernetes {

bool FairQueue::try_enter() {
  const std::lock_guard lock(mutex_);
  if (waiting_ > 0 || seated_ >= limits_.seats) {
    return false;
  }
  ++seated_;
  return true;
}

FairQueue::Entry FairQueue::enter(std::string_view user, const std::shared_ptr<Waiter>& waiter) {
  const std::lock_guard lock(mutex_);
  if (waiting_ == 0 && seated_ < limits_.seats) {
    ++seated_;
    waiter->has_seat = true;
    return Entry::seated;
  }
  const auto at = lines_.find(user);
  const auto already = at == lines_.end() ? 0 : at->second.size();
  if (waiting_ >= limits_.waiting || already >= limits_.waiting_per_user) {
    return Entry::refused;
  }
  waiter->user = user;
  if (at == lines_.end()) {
    turns_.emplace_back(user);
    lines_[waiter->user].push_back(waiter);
  } else {
    at->second.push_back(waiter);
  }
  ++waiting_;
  return Entry::waits;
}

void FairQueue::leave() {
  std::shared_ptr<Waiter> next;
  {
    const std::lock_guard lock(mutex_);
    CHECK(seated_ > 0);
    if (turns_.empty()) {
      --seated_;
      return;
    }
    auto user = std::move(turns_.front());
    turns_.pop_front();
    const auto at = lines_.find(user);
    next = std::move(at->second.front());
    at->second.pop_front();
    --waiting_;
    if (at->second.empty()) {
      lines_.erase(at);
    } else {
      turns_.push_back(std::move(user));
    }
    next->has_seat = true;
  }
  next->called();
}

bool FairQueue::withdraw(const std::shared_ptr<Waiter>& waiter) {
  const std::lock_guard lock(mutex_);
  if (waiter->has_seat) {
    return true;
  }
  const auto at = lines_.find(waiter->user);
  if (at == lines_.end()) {
    return false;
  }
  auto& line = at->second;
  const auto place = std::find(line.begin(), line.end(), waiter);
  if (place == line.end()) {
    return false;
  }
  line.erase(place);
  --waiting_;
  if (line.empty()) {
    lines_.erase(at);
    turns_.erase(std::find(turns_.begin(), turns_.end(), waiter->user));
  }
  return false;
}

std::size_t FairQueue::seated() const {
  const std::lock_guard lock(mutex_);
  return seated_;
}

std::size_t FairQueue::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_;
}

}  // namespace tetrarch::api::kubernetes
