// SPDX-License-Identifier: Apache-2.0
#include "schedule/trial.h"

#include <algorithm>

namespace tetrarch::schedule {
namespace {

Refusal refusal_of(Dimension dimension) {
  return dimension == kPods ? Refusal::too_many_pods : Refusal::resource;
}

}  // namespace

Trial::Trial(Scene scene, Place place, const std::vector<PlacedPod*>& here)
    : scene_(scene), place_(place), domains_(scene.like.domains_of(place)) {
  const Claim& claim = scene_.like.claim();
  for (const Amount& amount : claim.amounts) {
    spare_.push_back(scene_.nodes.free(place, amount.dimension) - amount.value);
  }
  if (!claim.ports.empty()) {
    colliding_ = std::count_if(here.begin(), here.end(), [&](const PlacedPod* pod) {
      return have_common_port(*pod->claim, claim);
    });
  }
}

void Trial::change(const PlacedPod& pod, std::int64_t by) {
  const Claim& claim = scene_.like.claim();
  auto theirs = pod.claim->amounts.begin();  // both ascend
  for (std::size_t i = 0; i < claim.amounts.size(); ++i) {
    while (theirs != pod.claim->amounts.end() && theirs->dimension < claim.amounts[i].dimension) {
      ++theirs;
    }
    if (theirs != pod.claim->amounts.end() && theirs->dimension == claim.amounts[i].dimension) {
      spare_[i] += by * theirs->value;
    }
  }
  if (!claim.ports.empty() && have_common_port(*pod.claim, claim)) {
    colliding_ -= by;
  }
  if (scene_.like.pairs().may_refuse()) {
    change_counts(pod, by);
  }
}

void Trial::change_counts(const PlacedPod& pod, std::int64_t by) {
  const auto& pairs = scene_.like.pairs();
  const auto known = std::find(weighed_.begin(), weighed_.end(), &pod);
  const auto first = static_cast<std::size_t>(known - weighed_.begin()) * pairs.size();
  if (known == weighed_.end()) {
    weighed_.push_back(&pod);
    pairs.weigh(scene_.counts, pod, answers_);
  }
  fewer_.resize(pairs.size());
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    fewer_[i] += answers_[first + i] ? by : 0;
  }
}

Refusal Trial::refusal() const {
  if (colliding_ > 0) {
    return Refusal::ports;
  }
  for (std::size_t i = 0; i < spare_.size(); ++i) {
    if (is_short(i)) {
      return refusal_of(scene_.like.claim().amounts[i].dimension);
    }
  }
  return scene_.like.pairs().refusal(domains_, fewer_);
}

bool Trial::is_hopeless() const {
  const auto& amounts = scene_.like.claim().amounts;
  switch (refusal()) {
    case Refusal::resource:
    case Refusal::too_many_pods:
      for (std::size_t i = 0; i < amounts.size(); ++i) {
        const auto dimension = amounts[i].dimension;
        if (is_short(i) && dimension != kPods &&
            amounts[i].value > scene_.nodes.allocatable(place_, dimension)) {
          return true;
        }
      }
      return false;
    case Refusal::spread_label:
    case Refusal::pod_affinity:
      return true;
    default:
      return false;
  }
}

std::vector<Reason> Trial::reasons() const {
  const Refusal first = refusal();
  if (first == Refusal::none) {
    return {};
  }
  if (first != Refusal::resource && first != Refusal::too_many_pods) {
    return {{first}};
  }
  std::vector<Reason> out;
  for (std::size_t i = 0; i < spare_.size(); ++i) {
    if (is_short(i)) {
      const auto dimension = scene_.like.claim().amounts[i].dimension;
      out.push_back({refusal_of(dimension), std::string(scene_.nodes.dimension_name(dimension))});
    }
  }
  return out;
}

}  // namespace tetrarch::schedule
