// SPDX-License-Identifier: Apache-2.0
// PodClass: all pods with equal needs. It keeps which nodes are feasible and their order (a
// tournament per cell), so that a pod like the last one costs O(log nodes) and O(cells).
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "schedule/counted_nodes.h"
#include "schedule/node_rules.h"
#include "schedule/nodes.h"
#include "schedule/pair_rules.h"
#include "schedule/reason_tally.h"
#include "schedule/tournament.h"

namespace tetrarch::schedule {

/// Places whose nodes changed, in order; every class reads on from where it was.
struct ChangeLog {
  std::vector<Place> places;
  std::uint64_t first = 0;  ///< number of places[0]

  std::uint64_t end() const { return first + places.size(); }
};

class PodClass {
 public:
  PodClass(
      const Stored& pod, SharedClaim claim, const Nodes& nodes, PodCounts& counts, Interner& texts);

  /// The best node, or kNowhere. Takes over what changed since the last question.
  Place choose(const ChangeLog& log);
  /// That node if it is feasible, else kNowhere. Costs no look at other nodes.
  Place choose_at(Place place, const ChangeLog& log);
  /// Why it was kNowhere, node by node. Kept, and brought up to date by what changed: many pods may
  /// ask.
  const Explanation& explain(const ChangeLog& log);
  /// The same for choose_at: the other nodes are not what the pod asks for.
  Explanation explain_at(Place place) const;

  /// Takes over what changed since the last question, and looks over all cells.
  void look(const ChangeLog& log);

  /// What the node rules say, and nothing of amounts, ports and pairs. After look().
  bool may_use(Place place) const { return seats_[place].is_eligible; }

  PairRules::Domains domains_of(Place place) const;

  const PairRules& pairs() const { return pairs_; }

  const Claim& claim() const { return *claim_; }

  const SharedClaim& shared_claim() const { return claim_; }

 private:
  struct Cell {
    PairRules::Domains domains;
    std::vector<Place> places;  // ascending
    Tournament order;
    /// How many nodes count for spread constraints, by policy.
    std::array<std::size_t, InclusionPolicy::kCount> counted = {};
  };

  struct Seat {
    std::uint32_t cell = kNowhere;
    std::uint32_t position = 0;
    bool is_eligible = false;
    std::array<bool, InclusionPolicy::kCount> counted = {};  // what it adds to its cell's
    std::int32_t preference = 0;
    // Of classes of units: the machine's ID, and its place among all IDs, which decides ties.
    std::uint32_t machine = Interner::kNone;
    std::uint32_t rank = 0;
  };

  void build();
  void catch_up(const ChangeLog& log);
  void refresh(Place place);
  /// Looks over all cells for what others' pods mean for this class.
  void prepare_pairs();
  void judge(Place place, Seat& seat, Cell& cell) const;
  bool moved(Place place) const;
  /// Which of two nodes of the same score is taken: by machine ID for units, else by place.
  bool comes_before(Place a, Place b) const;
  void order_by_machine();
  Score score(Place place, const Seat& seat) const;
  std::vector<Reason> reasons_of(Place place) const;

  const Nodes& nodes_;
  const Interner& texts_;
  const SharedClaim claim_;
  const std::uint32_t machine_key_;  // kNone: no class of units
  const NodeRules rules_;
  PairRules pairs_;
  std::vector<Cell> cells_;
  std::vector<Seat> seats_;  // by place
  std::uint64_t seen_ = 0;   // up to where the log was read
  ReasonTally tally_;
  Explanation explanation_;
  std::optional<std::uint64_t> explained_;  // seen_ when explanation_ was made
  bool is_built_ = false;
};

}  // namespace tetrarch::schedule
