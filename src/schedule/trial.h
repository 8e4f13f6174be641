// SPDX-License-Identifier: Apache-2.0
// Trial: one node as it would be without some of its pods, for one class of pods. Lives within one
// question; nothing may change meanwhile.
#pragma once

#include <cstdint>
#include <vector>

#include "schedule/pod_class.h"
#include "schedule/reason_tally.h"

namespace tetrarch::schedule {

class Trial {
 public:
  /// What it looks at; outlives it.
  struct Scene {
    const PodClass& like;
    const Nodes& nodes;
    const PodCounts& counts;
  };

  /// `here`: the pods of the node, nominated ones too.
  Trial(Scene scene, Place place, const std::vector<PlacedPod*>& here);

  void take_away(const PlacedPod& pod) { change(pod, 1); }

  void put_back(const PlacedPod& pod) { change(pod, -1); }

  /// As the node rules let it: they look at no pods.
  bool fits() const { return refusal() == Refusal::none; }

  /// Whatever is taken away: it will not fit.
  /// Source: kube-scheduler (1.35), the plugins' UnschedulableAndUnresolvable.
  bool is_hopeless() const;
  /// Empty: it fits.
  std::vector<Reason> reasons() const;

 private:
  Refusal refusal() const;

  bool is_short(std::size_t amount) const { return spare_[amount] < 0; }

  void change(const PlacedPod& pod, std::int64_t by);
  void change_counts(const PlacedPod& pod, std::int64_t by);

  const Scene scene_;
  const Place place_;
  const PairRules::Domains domains_;
  std::vector<std::int64_t> spare_;  // of each amount of the claim: what would be left of it
  std::int64_t colliding_ = 0;       // pods with ports that the class wants
  PairRules::Fewer fewer_;
  // The rules' answers on each pod, asked once: most pods are taken away and put back.
  std::vector<const PlacedPod*> weighed_;
  std::vector<bool> answers_;
};

}  // namespace tetrarch::schedule
