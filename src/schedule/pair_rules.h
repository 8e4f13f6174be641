// SPDX-License-Identifier: Apache-2.0
// PairRules: what a pod asks of the pods around it: topology spread, affinity and anti-affinity,
// its own and others'. All of them only look at the topology domains of a node, so they are
// answered once per cell: a set of nodes with the same domains.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "schedule/pod_counts.h"
#include "schedule/refusal.h"
#include "schedule/tournament.h"

namespace tetrarch::schedule {

class PairRules {
 public:
  PairRules(const Stored& pod, PodCounts& counts, Interner& texts);

  /// The topology keys that cells are made of.
  const std::vector<std::uint32_t>& topology_keys() const { return keys_; }

  /// Whether any of them counts over all cells: prepare() has something to do.
  bool measures_skew() const;

  /// Whether any of them refuses, and not merely prefers.
  bool may_refuse() const;

  /// A cell's domains, in the order of topology_keys(); Interner::kNone where its nodes lack the
  /// label.
  using Domains = std::vector<std::uint32_t>;

  /// How many of a cell's nodes count under each InclusionPolicy.
  struct CellNodes {
    const Domains* domains = nullptr;
    std::array<std::size_t, InclusionPolicy::kCount> counted = {};
  };

  /// Looks over all cells before a decision: the smallest counts, which skew is measured from.
  void prepare(const std::vector<CellNodes>& cells);

  Refusal refusal(const Domains& domains) const;

  /// By how much each rule counts less in a domain, for questions of "what if these pods were
  /// gone".
  using Fewer = std::vector<std::int64_t>;

  /// Which rules that may refuse count the pod, which lies in the domain asked about: appends one
  /// answer for each rule.
  void weigh(const PodCounts& counts, const PlacedPod& pod, std::vector<bool>& answers) const;

  std::size_t size() const { return rules_.size(); }

  /// Why not, if the cell's domains had fewer pods. An empty `fewer`: as it is.
  Refusal refusal(const Domains& domains, const Fewer& fewer) const;
  /// Added to the ranks of the cell's nodes.
  std::int32_t preference(const Domains& domains) const;

 private:
  enum class Sort : std::uint8_t {
    spread,
    soft_spread,
    affinity,
    anti_affinity,
    others_anti_affinity,
    soft_affinity
  };

  struct Rule {
    Sort sort;
    std::size_t key;  ///< place in keys_
    std::shared_ptr<Counter> counter;
    std::int64_t max_skew = 1;
    std::int64_t domains_min = 1;
    InclusionPolicy policy = {};  ///< of spread rules
    std::int64_t weight = 0;      ///< of soft rules; negative for soft anti-affinity
    bool counts_itself = false;   ///< the pod matches its own question
    std::int64_t smallest = 0;    ///< set by prepare()
  };

  static bool is_hard(Sort sort) {
    return sort != Sort::soft_spread && sort != Sort::soft_affinity;
  }

  std::size_t key_place(std::uint32_t key);
  void add_spread(const Stored& pod, PodCounts& counts, Interner& texts);
  bool has_all_spread_keys(const Domains& domains, Sort sort) const;
  void measure(Rule& rule, const std::vector<CellNodes>& cells) const;
  void add_affinity(const Stored& pod, PodCounts& counts, Interner& texts);
  void add_term(const Stored& pod,
                object::View term,
                Sort sort,
                std::int64_t weight,
                PodCounts& counts,
                Interner& texts);
  static Refusal refusal(const Rule& rule, std::uint32_t domain, std::int64_t fewer);

  std::vector<std::uint32_t> keys_;
  std::vector<Rule> rules_;
};

}  // namespace tetrarch::schedule
