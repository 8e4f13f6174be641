// SPDX-License-Identifier: Apache-2.0
#include "agent/runtime/grpc_call.h"

#include <algorithm>

namespace tetrarch::agent::runtime {
namespace {

/// For calls that nobody waits for (the end of an exec): they get this long once all else is over.
constexpr std::chrono::seconds kUnattendedMax{2};

}  // namespace

bool Calls::add(std::shared_ptr<Pending> call) {
  std::vector<std::shared_ptr<Pending>> ended;  // freed after the lock
  const std::lock_guard lock(mutex_);
  if (is_closing_) {
    return false;
  }
  ended.swap(ended_);
  auto* raw = call.get();
  under_way_.emplace(raw, std::move(call));
  return true;
}

void Calls::finish(Pending* call) {
  const std::lock_guard lock(mutex_);
  const auto at = under_way_.find(call);
  ended_.push_back(std::move(at->second));
  under_way_.erase(at);
  changed_.notify_all();  // under the lock: afterwards we may be gone
}

bool Calls::has_unattended() const {
  return std::any_of(under_way_.begin(), under_way_.end(), [](const auto& entry) {
    return !entry.second->is_attended;
  });
}

Calls::~Calls() {
  std::vector<std::shared_ptr<Pending>> left;
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, kUnattendedMax, [this] { return !has_unattended(); });
  is_closing_ = true;
  left.reserve(under_way_.size());
  for (const auto& [raw, call] : under_way_) {
    left.push_back(call);
  }
  lock.unlock();
  for (const auto& call : left) {
    call->context.TryCancel();
  }
  lock.lock();
  changed_.wait(lock, [this] { return under_way_.empty(); });
}

}  // namespace tetrarch::agent::runtime
