// SPDX-License-Identifier: Apache-2.0
#include "schedule/pod_class.h"

#include <algorithm>
#include <map>

namespace tetrarch::schedule {
namespace {

/// Ranks are 0 to 20,000; preferences may push them below zero, where a tournament knows only
/// "infeasible".
constexpr std::int32_t kScoreBase = 1'000'000;
constexpr std::string_view kMachineId = "fleet.tetrarch.dev/machine-id";

}  // namespace

PodClass::PodClass(
    const Stored& pod, SharedClaim claim, const Nodes& nodes, PodCounts& counts, Interner& texts)
    : nodes_(nodes),
      texts_(texts),
      claim_(std::move(claim)),
      machine_key_(claim_->is_unit ? texts.intern(kMachineId) : Interner::kNone),
      rules_(pod.root(), texts, NodeRules::Pin::left_out),
      pairs_(pod, counts, texts) {}

PairRules::Domains PodClass::domains_of(Place place) const {
  PairRules::Domains domains;
  for (const auto key : pairs_.topology_keys()) {
    domains.push_back(nodes_.label(place, key));
  }
  return domains;
}

Score PodClass::score(Place place, const Seat& seat) const {
  if (!seat.is_eligible || !nodes_.fits(place, *claim_) || !nodes_.ports_are_free(place, *claim_)) {
    return kInfeasible;
  }
  // Source: fleet reference, section 6: units go where the fewest units are.
  const auto rank = claim_->is_unit ? -nodes_.units(place) : nodes_.rank(place, *claim_);
  return kScoreBase + rank + seat.preference;
}

void PodClass::build() {
  cells_.clear();
  seats_.assign(nodes_.places(), Seat{});
  std::map<PairRules::Domains, std::uint32_t> known;
  for (Place place = 0; place < nodes_.places(); ++place) {
    if (!nodes_.is_used(place)) {
      continue;
    }
    const auto [at, is_new] =
        known.emplace(domains_of(place), static_cast<std::uint32_t>(cells_.size()));
    if (is_new) {
      cells_.push_back({at->first, {}, {}, {}});
    }
    Cell& cell = cells_[at->second];
    Seat& seat = seats_[place];
    seat.cell = at->second;
    seat.position = static_cast<std::uint32_t>(cell.places.size());
    judge(place, seat, cell);
    cell.places.push_back(place);
  }
  order_by_machine();
  for (Cell& cell : cells_) {
    cell.order.resize(cell.places.size());
    for (std::size_t i = 0; i < cell.places.size(); ++i) {
      cell.order.set_unsettled(i, score(cell.places[i], seats_[cell.places[i]]));
    }
    cell.order.rebuild();
  }
  is_built_ = true;
}

void PodClass::order_by_machine() {
  if (machine_key_ == Interner::kNone) {
    return;
  }
  std::vector<Place> all;
  for (Place place = 0; place < nodes_.places(); ++place) {
    const bool is_used = nodes_.is_used(place);
    seats_[place].machine = is_used ? nodes_.label(place, machine_key_) : Interner::kNone;
    if (is_used) {
      all.push_back(place);
    }
  }
  const auto text = [&](Place place) {
    const auto machine = seats_[place].machine;
    return machine == Interner::kNone ? std::string_view() : texts_.text(machine);
  };
  std::stable_sort(all.begin(), all.end(), [&](Place a, Place b) { return text(a) < text(b); });
  for (std::size_t i = 0; i < all.size(); ++i) {
    seats_[all[i]].rank = static_cast<std::uint32_t>(i);
  }
  for (Cell& cell : cells_) {
    std::sort(cell.places.begin(), cell.places.end(), [&](Place a, Place b) {
      return comes_before(a, b);
    });
    for (std::size_t i = 0; i < cell.places.size(); ++i) {
      seats_[cell.places[i]].position = static_cast<std::uint32_t>(i);
    }
  }
}

bool PodClass::comes_before(Place a, Place b) const {
  return machine_key_ == Interner::kNone ? a < b : seats_[a].rank < seats_[b].rank;
}

/// What the node rules say of a node.
void PodClass::judge(Place place, Seat& seat, Cell& cell) const {
  seat.is_eligible = rules_.refusal(nodes_, place) == Refusal::none;
  seat.preference = rules_.preference(nodes_, place);
  for (std::size_t i = 0; i < InclusionPolicy::kCount; ++i) {
    cell.counted[i] -= seat.counted[i] ? 1 : 0;
    seat.counted[i] =
        pairs_.measures_skew() && InclusionPolicy::at(i).counts(rules_, nodes_, place);
    cell.counted[i] += seat.counted[i] ? 1 : 0;
  }
}

/// Whether the node came, went or changed its domains: then cells are built anew.
bool PodClass::moved(Place place) const {
  if (place >= seats_.size()) {
    return true;
  }
  const Seat& seat = seats_[place];
  const bool was_there = seat.cell != kNowhere;
  if (was_there && machine_key_ != Interner::kNone &&
      seat.machine != nodes_.label(place, machine_key_)) {
    return true;
  }
  return was_there != nodes_.is_used(place) ||
         (was_there && cells_[seat.cell].domains != domains_of(place));
}

void PodClass::refresh(Place place) {
  Seat& seat = seats_[place];
  if (seat.cell == kNowhere) {
    return;
  }
  Cell& cell = cells_[seat.cell];
  judge(place, seat, cell);
  cell.order.set(seat.position, score(place, seat));
}

void PodClass::catch_up(const ChangeLog& log) {
  const bool is_cheaper_anew =
      !is_built_ || seen_ < log.first || log.end() - seen_ > nodes_.places();
  for (std::uint64_t i = seen_; !is_cheaper_anew && i < log.end(); ++i) {
    const Place place = log.places[i - log.first];
    if (moved(place)) {
      is_built_ = false;
      break;
    }
    refresh(place);
  }
  if (is_cheaper_anew || !is_built_) {
    build();
  }
  seen_ = log.end();
}

void PodClass::prepare_pairs() {
  if (!pairs_.measures_skew()) {
    return;
  }
  std::vector<PairRules::CellNodes> nodes;
  nodes.reserve(cells_.size());
  for (const Cell& cell : cells_) {
    nodes.push_back({&cell.domains, cell.counted});
  }
  pairs_.prepare(nodes);
}

void PodClass::look(const ChangeLog& log) {
  catch_up(log);
  prepare_pairs();
}

Place PodClass::choose_at(Place place, const ChangeLog& log) {
  look(log);
  if (place == kNowhere || seats_[place].cell == kNowhere) {
    return kNowhere;
  }
  const Seat& seat = seats_[place];
  const bool is_feasible = score(place, seat) != kInfeasible &&
                           pairs_.refusal(cells_[seat.cell].domains) == Refusal::none;
  return is_feasible ? place : kNowhere;
}

/// Where each node is a cell of its own there are thousands: only one that would win is asked what
/// its pods refuse.
Place PodClass::choose(const ChangeLog& log) {
  look(log);
  Place best = kNowhere;
  std::int64_t best_score = 0;
  for (const Cell& cell : cells_) {
    if (cell.order.best() == kInfeasible) {
      continue;
    }
    const Place winner = cell.places[cell.order.winner()];
    const std::int64_t total = std::int64_t{cell.order.best()} + pairs_.preference(cell.domains);
    const bool is_better = best == kNowhere || total > best_score ||
                           (total == best_score && comes_before(winner, best));
    if (is_better && pairs_.refusal(cell.domains) == Refusal::none) {
      best = winner;
      best_score = total;
    }
  }
  return best;
}

std::vector<Reason> PodClass::reasons_of(Place place) const {
  if (const Refusal refused = rules_.refusal(nodes_, place); refused != Refusal::none) {
    return {{refused, refused == Refusal::taint ? rules_.taint_detail(nodes_, place) : ""}};
  }
  // Source: kube-scheduler: the first plugin that refuses a node speaks for it; resources are one
  // plugin, which names all that are short.
  if (!nodes_.ports_are_free(place, *claim_)) {
    return {{Refusal::ports}};
  }
  std::vector<Reason> out;
  for (const Amount& amount : claim_->amounts) {
    if (amount.value > nodes_.free(place, amount.dimension)) {
      const bool is_pods = amount.dimension == kPods;
      out.push_back({is_pods ? Refusal::too_many_pods : Refusal::resource,
                     std::string(nodes_.dimension_name(amount.dimension))});
    }
  }
  if (out.empty()) {
    out.push_back({pairs_.refusal(cells_[seats_[place].cell].domains)});
  }
  return out;
}

Explanation PodClass::explain_at(Place place) const {
  ReasonTally tally;
  for (Place each = 0; each < nodes_.places(); ++each) {
    if (nodes_.is_used(each)) {
      tally.set(each,
                each == place ? reasons_of(place) : std::vector<Reason>{{Refusal::node_affinity}});
    }
  }
  return tally.explain(nodes_.count());
}

const Explanation& PodClass::explain(const ChangeLog& log) {
  if (explained_ == seen_) {
    return explanation_;
  }
  const auto renew = [&](Place place) {
    tally_.set(place, nodes_.is_used(place) ? reasons_of(place) : std::vector<Reason>());
  };
  // What pairs refuse changes everywhere with each pod.
  const bool is_kept = explained_ && !pairs_.may_refuse() && *explained_ >= log.first &&
                       seen_ - *explained_ < nodes_.places();
  if (is_kept) {
    for (std::uint64_t i = *explained_; i < seen_; ++i) {
      renew(log.places[i - log.first]);
    }
  } else {
    tally_.clear();
    for (Place place = 0; place < nodes_.places(); ++place) {
      renew(place);
    }
  }
  explanation_ = tally_.explain(nodes_.count());
  explained_ = seen_;
  return explanation_;
}

}  // namespace tetrarch::schedule
