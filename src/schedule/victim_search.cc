// SPDX-License-Identifier: Apache-2.0
#include "schedule/victim_search.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include "schedule/trial.h"

namespace tetrarch::schedule {
namespace {

// Source: kube-scheduler, DefaultPreemptionArgs (1.35): a scan of many nodes may stop once it has
// found 100 candidates and a tenth of all nodes.
constexpr std::size_t kCandidatesEnough = 100;
constexpr std::size_t kCandidatesShare = 10;

/// One whose node has told no start has started last.
TimePoint started_at(const PlacedPod& pod) {
  const auto start = pod.start_time();
  const auto time = start.empty() ? Result<TimePoint>(TimePoint::max()) : parse_time(start);
  return time.ok() ? *time : TimePoint::max();
}

/// Its node's agent would bring it back at once.
bool is_mirror(const PlacedPod& pod) {
  return pod.root()["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_string();
}

void sort_by_importance(std::vector<const PlacedPod*>& pods) {
  if (pods.size() < 2) {
    return;
  }
  using Order = std::tuple<std::int64_t, TimePoint, std::string_view, const PlacedPod*>;
  std::vector<Order> order;
  order.reserve(pods.size());
  for (const auto* pod : pods) {
    order.emplace_back(-std::int64_t{pod->priority}, started_at(*pod), pod->uid(), pod);
  }
  std::sort(order.begin(), order.end());
  std::transform(order.begin(), order.end(), pods.begin(), [](const Order& each) {
    return std::get<3>(each);
  });
}

/// Leaves those who can stay, the most important first; those whom a budget protects before others.
Candidate reprieve(Trial& trial,
                   const std::vector<const PlacedPod*>& pods,
                   const std::vector<bool>& violates) {
  Candidate out;
  std::vector<bool> goes(pods.size());
  for (const bool is_protected : {true, false}) {
    for (std::size_t i = 0; i < pods.size(); ++i) {
      if (violates[i] != is_protected) {
        continue;
      }
      trial.put_back(*pods[i]);
      if (!trial.fits()) {
        trial.take_away(*pods[i]);
        goes[i] = true;
        out.violations += is_protected ? 1 : 0;
      }
    }
  }
  for (std::size_t i = 0; i < pods.size(); ++i) {
    if (goes[i]) {
      out.victims.push_back(pods[i]);
    }
  }
  return out;
}

}  // namespace

VictimSearch::Cost VictimSearch::cost_of(const Candidate& candidate) {
  Cost cost{.has_victims = !candidate.victims.empty(),
            .is_awaited = candidate.victims.empty() && candidate.is_awaited,
            .violations = candidate.violations,
            .count = candidate.victims.size(),
            .place = candidate.place};
  if (candidate.victims.empty()) {
    return cost;
  }
  cost.highest = candidate.victims.front()->priority;
  auto oldest = TimePoint::max();
  for (const auto* victim : candidate.victims) {
    // Source: as above: no victim may cost less than none, whatever its priority.
    constexpr auto kLowest = std::int64_t{std::numeric_limits<std::int32_t>::min()};
    cost.sum += victim->priority - kLowest;
    if (victim->priority == cost.highest) {
      oldest = std::min(oldest, started_at(*victim));
    }
  }
  cost.age = -oldest.time_since_epoch();
  return cost;
}

VictimSearch::Verdict VictimSearch::judge(Place place) const {
  if (place == kNowhere || !scene_.nodes.is_used(place)) {
    return {};
  }
  if (!scene_.like.may_use(place)) {
    return {.reasons = {{Refusal::not_helped}}};
  }
  const bool has_lower = scene_.pods.lowest_priority(place) < priority_;
  const bool needs_pods = has_lower || !scene_.like.claim().ports.empty();
  return judge_beside(place, needs_pods ? scene_.pods.at(place) : std::vector<PlacedPod*>());
}

VictimSearch::Verdict VictimSearch::judge_beside(Place place,
                                                 const std::vector<PlacedPod*>& here) const {
  Trial trial({scene_.like, scene_.nodes, scene_.counts}, place, here);
  for (const auto* pod : here) {
    if (pod->is_nominated && pod->priority < priority_) {
      trial.take_away(*pod);
    }
  }
  if (trial.fits()) {
    return {.candidate = Candidate{.place = place}};
  }
  if (trial.is_hopeless()) {
    return {.reasons = {{Refusal::not_helped}}};
  }
  std::vector<const PlacedPod*> evictable;
  bool is_awaited = false;
  for (const auto* pod : here) {
    if (pod->is_nominated || pod->priority >= priority_ || is_mirror(*pod)) {
      continue;
    }
    trial.take_away(*pod);
    if (pod->is_leaving || pod->is_terminating()) {
      is_awaited = true;
    } else {
      evictable.push_back(pod);
    }
  }
  if (evictable.empty() && !is_awaited) {
    return {.reasons = {{Refusal::no_victims}}};
  }
  if (!trial.fits()) {
    return {.reasons = trial.reasons()};
  }
  sort_by_importance(evictable);
  const auto budgets = scene_.budgets.ask(evictable);
  auto found = reprieve(trial, evictable, budgets.violates);
  found.place = place;
  found.is_awaited = is_awaited;
  return {.candidate = std::move(found), .is_protected = budgets.is_protected};
}

void VictimSearch::refresh(Place place) {
  auto verdict = judge(place);
  Seat& seat = seats_[place];
  if (seat.cost) {
    order_.erase(*seat.cost);
  }
  seat = {.is_protected = verdict.is_protected};
  if (verdict.candidate) {
    seat.cost = cost_of(*verdict.candidate);
    order_.insert(*seat.cost);
  }
  tally_.set(place, verdict.reasons);
}

void VictimSearch::build() {
  const auto places = static_cast<Place>(scene_.nodes.places());
  seats_.assign(places, {});
  order_.clear();
  tally_.clear();
  is_built_ = true;
  // What pairs allow changes everywhere with each pod: such a scan is not kept, and may stop early.
  const bool may_stop = scene_.like.pairs().may_refuse();
  const auto enough = std::max(kCandidatesEnough, places / kCandidatesShare);
  next_ = next_ < places ? next_ : 0;
  for (Place i = 0; i < places && !(may_stop && order_.size() >= enough); ++i) {
    refresh(next_);
    next_ = next_ + 1 < places ? next_ + 1 : 0;
  }
}

void VictimSearch::catch_up(const ChangeLog& log) {
  const bool has_changes = seen_ != log.end();
  const bool is_stale = !is_built_ || seen_ < log.first || seats_.size() != scene_.nodes.places() ||
                        log.end() - seen_ > seats_.size() ||
                        reach_seen_ != scene_.budgets.reach_version() ||
                        (has_changes && scene_.like.pairs().may_refuse());
  std::set<Place> places;
  for (std::uint64_t i = seen_; !is_stale && i < log.end(); ++i) {
    places.insert(log.places[i - log.first]);
  }
  for (Place place = 0; budgets_seen_ != scene_.budgets.version() && place < seats_.size();
       ++place) {
    if (seats_[place].is_protected) {
      places.insert(place);
    }
  }
  seen_ = log.end();
  budgets_seen_ = scene_.budgets.version();
  reach_seen_ = scene_.budgets.reach_version();
  if (is_stale) {
    build();
    return;
  }
  for (const Place place : places) {
    refresh(place);
  }
}

std::optional<Candidate> VictimSearch::best(const ChangeLog& log) {
  scene_.like.look(log);
  catch_up(log);
  return order_.empty() ? std::nullopt : judge(order_.begin()->place).candidate;
}

std::optional<Candidate> VictimSearch::at(Place place, const ChangeLog& log) {
  scene_.like.look(log);
  return judge(place).candidate;
}

Explanation VictimSearch::explain_at(Place place) const {
  ReasonTally tally;
  for (Place each = 0; each < scene_.nodes.places(); ++each) {
    if (scene_.nodes.is_used(each)) {
      const bool is_asked = each == place;
      tally.set(each, is_asked ? judge(each).reasons : std::vector<Reason>{{Refusal::not_helped}});
    }
  }
  return tally.explain(scene_.nodes.count());
}

}  // namespace tetrarch::schedule
