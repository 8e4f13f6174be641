// SPDX-License-Identifier: Apache-2.0
// Budgets: the PodDisruptionBudgets that an eviction should keep to, with what was taken from them
// and is not in their status yet. Not thread-safe: one strand.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "object/selector.h"
#include "object/stored.h"
#include "schedule/placed_pods.h"

namespace tetrarch::schedule {

class Budgets {
 public:
  /// `is_counted`: whether the controller that wrote this status may have known that the pod goes.
  void upsert(const Stored& budget, const std::function<bool(std::string_view uid)>& is_counted);
  void remove(const Key& key);

  struct Verdict {
    std::vector<bool> violates;  ///< for each pod, in order
    bool is_protected = false;   ///< a budget means one of them
  };

  /// Which of these pods could not go any more if all before them went.
  Verdict ask(const std::vector<const PlacedPod*>& pods) const;

  /// The pod is being evicted.
  void take(const PlacedPod& pod);
  /// It stays after all.
  void give_back(const PlacedPod& pod);

  /// Grows with every change.
  std::uint64_t version() const { return version_; }

  /// Grows when other pods are protected than before.
  std::uint64_t reach_version() const { return reach_version_; }

 private:
  struct Budget {
    object::LabelSelector selector = {};
    std::int64_t allowed = 0;
    /// Evictions that the API has allowed and the controller has not seen.
    std::set<std::string, std::less<>> disrupted = {};
    std::set<std::string, std::less<>> taken = {};  ///< uids

    bool means(const PlacedPod& pod) const;

    std::int64_t left() const { return allowed - static_cast<std::int64_t>(taken.size()); }
  };

  using OfNamespace = std::map<std::string, Budget, std::less<>>;

  std::map<std::string, OfNamespace, std::less<>> budgets_;
  std::uint64_t version_ = 0;
  std::uint64_t reach_version_ = 0;
};

}  // namespace tetrarch::schedule
