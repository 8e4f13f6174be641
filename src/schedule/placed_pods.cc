// SPDX-License-Identifier: Apache-2.0
#include "schedule/placed_pods.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace tetrarch::schedule {

std::int32_t priority_of(object::View pod) {
  return static_cast<std::int32_t>(pod["spec"]["priority"].integer());
}

PlacedPod* PlacedPods::find(std::string_view uid) {
  const auto found = by_uid_.find(uid);
  return found == by_uid_.end() ? nullptr : found->get();
}

PlacedPod& PlacedPods::put(PlacedPod pod) {
  if (auto* known = find(pod.uid())) {
    erase(*known);
  }
  auto& kept = **by_uid_.insert(std::make_unique<PlacedPod>(std::move(pod))).first;
  link(kept);
  return kept;
}

void PlacedPods::renew(PlacedPod& pod, DocumentPtr document) {
  pod.document = std::move(document);  // of the same uid, so it is found as before
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
  const auto here = here_.find(place);
  for (auto* pod = here == here_.end() ? nullptr : here->second.first; pod != nullptr;
       pod = pod->after) {
    out.push_back(pod);
  }
  return out;
}

std::int32_t PlacedPods::lowest_priority(Place place) const {
  const auto here = here_.find(place);
  return here == here_.end() ? std::numeric_limits<std::int32_t>::max() : here->second.lowest();
}

void PlacedPods::Here::add(std::int32_t of) {
  if (of == priority || (count == 0 && others.empty())) {
    priority = of;
    ++count;
    return;
  }
  const auto at =
      std::lower_bound(others.begin(), others.end(), of, [](const auto& each, std::int32_t wanted) {
        return each.first < wanted;
      });
  if (at != others.end() && at->first == of) {
    ++at->second;
  } else {
    others.insert(at, {of, 1});
  }
}

void PlacedPods::Here::remove(std::int32_t of) {
  if (of == priority) {
    --count;
    return;
  }
  const auto at = std::find_if(
      others.begin(), others.end(), [&](const auto& each) { return each.first == of; });
  if (--at->second == 0) {
    others.erase(at);
  }
}

std::int32_t PlacedPods::Here::lowest() const {
  const auto most = std::numeric_limits<std::int32_t>::max();
  return std::min(count > 0 ? priority : most, others.empty() ? most : others.front().first);
}

void PlacedPods::link(PlacedPod& pod) {
  Here& here = here_[pod.place];
  pod.before = nullptr;
  pod.after = std::exchange(here.first, &pod);
  if (pod.after != nullptr) {
    pod.after->before = &pod;
  }
  here.add(pod.priority);
}

void PlacedPods::unlink(PlacedPod& pod) {
  const auto here = here_.find(pod.place);
  here->second.remove(pod.priority);
  if (pod.after != nullptr) {
    pod.after->before = pod.before;
  }
  if (pod.before != nullptr) {
    pod.before->after = pod.after;
  } else if (pod.after != nullptr) {
    here->second.first = pod.after;
  } else {
    here_.erase(here);
  }
}

}  // namespace tetrarch::schedule
