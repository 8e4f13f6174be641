// SPDX-License-Identifier: Apache-2.0
// PodCounts: pods per topology domain, for spread constraints and for affinity between pods. A
// counter is shared by all classes that ask the same question, and kept up to date with every
// placement.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "schedule/nodes.h"
#include "schedule/placed_pods.h"
#include "schedule/pod_question.h"

namespace tetrarch::schedule {

class Counter {
 public:
  explicit Counter(PodQuestion question, std::uint64_t number = 0)
      : question_(std::move(question)), number_(number) {}

  const PodQuestion& question() const { return question_; }

  std::int64_t count(std::uint32_t domain) const;

  std::int64_t total() const { return total_; }

  /// Of one that counts the holders of a term: no other ever has the same.
  std::uint64_t number() const { return number_; }

  void add(std::uint32_t domain, std::int64_t change);

 private:
  PodQuestion question_;
  std::uint64_t number_;
  std::unordered_map<std::uint32_t, std::int64_t> by_domain_;
  std::int64_t total_ = 0;
};

class PodCounts {
 public:
  PodCounts(const Nodes& nodes, const PlacedPods& pods) : nodes_(nodes), pods_(pods) {}

  /// The shared counter for a question; counts all placed pods when it is new.
  std::shared_ptr<Counter> counter(const PodQuestion& question);

  /// True if somebody who asks counts it: pods that wait may fit now.
  bool add(const PlacedPod& pod) { return change(pod, 1); }

  void remove(const PlacedPod& pod) {
    take_off(pod);
    forget_unheld();
  }

  /// The same for a pod that may be back in a moment: no class has to look again for its terms.
  void take_off(const PlacedPod& pod) { change(pod, -1); }

  /// A term that nobody holds any more refuses nobody. Should it come back, it has another number.
  void forget_unheld();

  /// Whether this pod is one of those that the counter has counted.
  bool counts(const Counter& counter, const PlacedPod& pod) const;

  /// Counters of anti-affinity terms that placed pods hold and that mean such a pod.
  std::vector<std::shared_ptr<Counter>> against(std::string_view ns, object::View labels) const;

 private:
  bool change(const PlacedPod& pod, std::int64_t by);
  void change_holding(const PlacedPod& pod, std::int64_t by);
  bool count_pod(Counter& counter, const PlacedPod& pod, std::int64_t by) const;
  bool is_meant(const PodQuestion& question, const PlacedPod& pod) const;

  const Nodes& nodes_;
  const PlacedPods& pods_;
  std::vector<std::weak_ptr<Counter>> selected_;  // kept alive by the classes that ask
  std::vector<std::shared_ptr<Counter>> holding_;
  std::uint64_t last_number_ = 0;
};

}  // namespace tetrarch::schedule
