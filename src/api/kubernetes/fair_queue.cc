// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/fair_queue.h"

#include <algorithm>

#include "base/check.h"

namespace tetrarch::api::kubernetes {

bool FairQueue::push(std::string_view flow,
                     const std::shared_ptr<Waiter>& waiter,
                     const Bounds& bounds) {
  const auto at = lines_.find(flow);
  const auto already = at == lines_.end() ? 0 : at->second.size();
  if (size_ >= bounds.of_all || already >= bounds.of_flow) {
    return false;
  }
  waiter->flow = flow;
  if (at == lines_.end()) {
    turns_.emplace_back(flow);
    lines_[waiter->flow].push_back(waiter);
  } else {
    at->second.push_back(waiter);
  }
  ++size_;
  return true;
}

std::shared_ptr<Waiter> FairQueue::pop() {
  CHECK(!turns_.empty());
  auto flow = std::move(turns_.front());
  turns_.pop_front();
  const auto at = lines_.find(flow);
  auto next = std::move(at->second.front());
  at->second.pop_front();
  --size_;
  if (at->second.empty()) {
    lines_.erase(at);
  } else {
    turns_.push_back(std::move(flow));
  }
  return next;
}

void FairQueue::remove(const std::shared_ptr<Waiter>& waiter) {
  const auto at = lines_.find(waiter->flow);
  if (at == lines_.end()) {
    return;
  }
  auto& line = at->second;
  const auto place = std::find(line.begin(), line.end(), waiter);
  if (place == line.end()) {
    return;
  }
  line.erase(place);
  --size_;
  if (line.empty()) {
    lines_.erase(at);
    turns_.erase(std::find(turns_.begin(), turns_.end(), waiter->flow));
  }
}

}  // namespace tetrarch::api::kubernetes
