// SPDX-License-Identifier: Apache-2.0
#include "schedule/placed_pods.h"

#include <utility>

namespace tetrarch::schedule {

PlacedPod* PlacedPods::find(std::string_view uid) {
  const auto found = by_uid_.find(uid);
  return found == by_uid_.end() ? nullptr : &found->second;
}

PlacedPod& PlacedPods::put(PlacedPod pod) {
  if (auto* known = find(pod.uid())) {
    erase(*known);
  }
  const auto uid = pod.uid();
  auto& kept = by_uid_.emplace(uid, std::move(pod)).first->second;
  link(kept);
  return kept;
}

void PlacedPods::renew(PlacedPod& pod, DocumentPtr document) {
  auto node = by_uid_.extract(pod.uid());
  pod.document = std::move(document);
  node.key() = pod.uid();
  by_uid_.insert(std::move(node));
}

void PlacedPods::move(PlacedPod& pod, Place place) {
  unlink(pod);
  pod.place = place;
  link(pod);
}

void PlacedPods::erase(PlacedPod& pod) {
  unlink(pod);
  by_uid_.erase(by_uid_.find(pod.uid()));
}

std::vector<PlacedPod*> PlacedPods::at(Place place) const {
  std::vector<PlacedPod*> out;
  const auto first = first_.find(place);
  for (auto* pod = first == first_.end() ? nullptr : first->second; pod != nullptr;
       pod = pod->after) {
    out.push_back(pod);
  }
  return out;
}

void PlacedPods::link(PlacedPod& pod) {
  auto& first = first_[pod.place];
  pod.before = nullptr;
  pod.after = std::exchange(first, &pod);
  if (pod.after != nullptr) {
    pod.after->before = &pod;
  }
}

void PlacedPods::unlink(PlacedPod& pod) {
  if (pod.after != nullptr) {
    pod.after->before = pod.before;
  }
  if (pod.before != nullptr) {
    pod.before->after = pod.after;
  } else if (pod.after != nullptr) {
    first_[pod.place] = pod.after;
  } else {
    first_.erase(pod.place);
  }
}

}  // namespace tetrarch::schedule
