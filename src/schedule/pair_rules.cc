// SPDX-License-Identifier: Apache-2.0
#include "schedule/pair_rules.h"

#include <algorithm>
#include <limits>
#include <set>

#include "schema/views/core.h"

namespace tetrarch::schedule {
namespace {

// Ours: one pod of skew weighs as much as ten percent of free room; a full affinity weight as much
// as all of it.
constexpr std::int64_t kPointsPerSkew = 2000;
constexpr std::int64_t kPointsPerWeight = 200;
constexpr std::int64_t kSkewMax = 50;

object::View labels_of(const Stored& pod) {
  return pod.root()["metadata"]["labels"];
}

bool is_soft(views::TopologySpreadConstraintView constraint) {
  return constraint.when_unsatisfiable() == "ScheduleAnyway";
}

/// The topology keys of all hard, or of all soft constraints.
std::vector<std::uint32_t> keys_of_sort(
    views::ListView<views::TopologySpreadConstraintView> constraints,
    bool wants_soft,
    Interner& texts) {
  std::vector<std::uint32_t> keys;
  for (const auto each : constraints) {
    if (is_soft(each) == wants_soft) {
      keys.push_back(texts.intern(each.topology_key()));
    }
  }
  return keys;
}

/// Source: kube-scheduler, PodTopologySpread (1.31): pods that end do not count, and matchLabelKeys
/// ask for the pod's own values.
PodQuestion question_of_spread(const Stored& pod,
                               views::TopologySpreadConstraintView constraint,
                               Interner& texts) {
  const auto selector = object::LabelSelector::from_object(constraint.label_selector().view());
  PodQuestion question{.topology_key = texts.intern(constraint.topology_key()),
                       .namespaces = {pod.key.ns},
                       .selector = selector.ok() ? *selector : object::LabelSelector::nothing(),
                       .skips_terminating = true};
  for (const auto key : constraint.match_label_keys()) {
    if (const auto value = labels_of(pod)[key]; value.is_string()) {
      question.also.emplace_back(key, value.string());
    }
  }
  std::sort(question.also.begin(), question.also.end());
  return question;
}

}  // namespace

PairRules::PairRules(const Stored& pod, PodCounts& counts, Interner& texts) {
  add_spread(pod, counts, texts);
  add_affinity(pod, counts, texts);
  for (auto& counter : counts.against(pod.key.ns, labels_of(pod))) {
    const auto key = key_place(counter->question().topology_key);
    rules_.push_back(
        {.sort = Sort::others_anti_affinity, .key = key, .counter = std::move(counter)});
  }
}

std::size_t PairRules::key_place(std::uint32_t key) {
  const auto found = std::find(keys_.begin(), keys_.end(), key);
  if (found != keys_.end()) {
    return static_cast<std::size_t>(found - keys_.begin());
  }
  keys_.push_back(key);
  return keys_.size() - 1;
}

void PairRules::add_spread(const Stored& pod, PodCounts& counts, Interner& texts) {
  const auto constraints = views::PodView(pod.root()).spec().topology_spread_constraints();
  for (const auto constraint : constraints) {
    auto question = question_of_spread(pod, constraint, texts);
    const InclusionPolicy policy{
        .honors_affinity = constraint.node_affinity_policy() != "Ignore",
        .honors_taints = constraint.node_taints_policy() == "Honor",
    };
    auto keys = keys_of_sort(constraints, is_soft(constraint), texts);
    const bool asks_affinity = NodeRules(pod.root(), texts).asks_affinity();
    if (keys.size() > 1 || policy.honors_taints || (policy.honors_affinity && asks_affinity)) {
      question.nodes =
          std::make_shared<const CountedNodes>(pod.root(), policy, std::move(keys), texts);
    }
    rules_.push_back({.sort = is_soft(constraint) ? Sort::soft_spread : Sort::spread,
                      .key = key_place(question.topology_key),
                      .counter = counts.counter(question),
                      .max_skew = constraint.max_skew(),
                      .domains_min = std::max<std::int64_t>(1, constraint.min_domains()),
                      .policy = policy,
                      .counts_itself = question.means(pod.key.ns, labels_of(pod))});
  }
}

void PairRules::add_term(const Stored& pod,
                         object::View term,
                         Sort sort,
                         std::int64_t weight,
                         PodCounts& counts,
                         Interner& texts) {
  auto question = question_of_term(term, pod.key.ns, texts);
  question.skips_nominated = sort == Sort::affinity;
  rules_.push_back({.sort = sort,
                    .key = key_place(question.topology_key),
                    .counter = counts.counter(question),
                    .weight = weight,
                    .counts_itself = question.means(pod.key.ns, labels_of(pod))});
}

void PairRules::add_affinity(const Stored& pod, PodCounts& counts, Interner& texts) {
  const auto affinity = views::PodView(pod.root()).spec().affinity();
  const auto together = affinity.pod_affinity();
  const auto apart = affinity.pod_anti_affinity();
  for (const auto term : together.required_during_scheduling_ignored_during_execution()) {
    add_term(pod, term.view(), Sort::affinity, 0, counts, texts);
  }
  for (const auto term : apart.required_during_scheduling_ignored_during_execution()) {
    add_term(pod, term.view(), Sort::anti_affinity, 0, counts, texts);
  }
  for (const auto soft : together.preferred_during_scheduling_ignored_during_execution()) {
    add_term(
        pod, soft.pod_affinity_term().view(), Sort::soft_affinity, soft.weight(), counts, texts);
  }
  for (const auto soft : apart.preferred_during_scheduling_ignored_during_execution()) {
    add_term(
        pod, soft.pod_affinity_term().view(), Sort::soft_affinity, -soft.weight(), counts, texts);
  }
}

/// A node that lacks one of the keys that the constraints of a sort name is in no domain of any.
bool PairRules::has_all_spread_keys(const Domains& domains, Sort sort) const {
  return std::all_of(rules_.begin(), rules_.end(), [&](const Rule& rule) {
    return rule.sort != sort || domains[rule.key] != Interner::kNone;
  });
}

void PairRules::prepare(const std::vector<CellNodes>& cells) {
  for (Rule& rule : rules_) {
    if (rule.sort == Sort::spread || rule.sort == Sort::soft_spread) {
      measure(rule, cells);
    }
  }
}

void PairRules::measure(Rule& rule, const std::vector<CellNodes>& cells) const {
  const auto no_domain = std::numeric_limits<std::int64_t>::max();
  std::int64_t smallest = no_domain;
  std::set<std::uint32_t> domains;
  for (const CellNodes& cell : cells) {
    if (cell.counted[rule.policy.index()] == 0 || !has_all_spread_keys(*cell.domains, rule.sort)) {
      continue;
    }
    const auto domain = (*cell.domains)[rule.key];
    smallest = std::min(smallest, rule.counter->count(domain));
    if (rule.domains_min > 1) {
      domains.insert(domain);
    }
  }
  const bool has_too_few =
      rule.domains_min > 1 && static_cast<std::int64_t>(domains.size()) < rule.domains_min;
  rule.smallest = has_too_few || smallest == no_domain ? 0 : smallest;
}

Refusal PairRules::refusal(const Rule& rule, std::uint32_t domain, std::int64_t fewer) {
  const bool has_domain = domain != Interner::kNone;
  const std::int64_t count = has_domain ? rule.counter->count(domain) - fewer : 0;
  switch (rule.sort) {
    case Sort::spread:
      if (!has_domain) {
        return Refusal::spread_label;
      }
      return count + (rule.counts_itself ? 1 : 0) - std::min(rule.smallest, count) <= rule.max_skew
                 ? Refusal::none
                 : Refusal::spread;
    case Sort::affinity: {
      // The first pod of a group that wants to be together with itself may start anywhere.
      const bool is_first = rule.counts_itself && rule.counter->total() == fewer;
      return has_domain && (count > 0 || is_first) ? Refusal::none : Refusal::pod_affinity;
    }
    case Sort::anti_affinity:
      return count == 0 ? Refusal::none : Refusal::pod_anti_affinity;
    case Sort::others_anti_affinity:
      return count == 0 ? Refusal::none : Refusal::others_anti_affinity;
    case Sort::soft_spread:
    case Sort::soft_affinity:
      return Refusal::none;
  }
  return Refusal::none;
}

bool PairRules::measures_skew() const {
  return std::any_of(rules_.begin(), rules_.end(), [](const Rule& rule) {
    return rule.sort == Sort::spread || rule.sort == Sort::soft_spread;
  });
}

bool PairRules::may_refuse() const {
  return std::any_of(
      rules_.begin(), rules_.end(), [](const Rule& rule) { return is_hard(rule.sort); });
}

Refusal PairRules::refusal(const Domains& domains) const {
  for (const Rule& rule : rules_) {
    if (const Refusal refused = refusal(rule, domains[rule.key], 0); refused != Refusal::none) {
      return refused;
    }
  }
  return Refusal::none;
}

Refusal PairRules::refusal(const Domains& domains, const Fewer& fewer) const {
  if (fewer.empty()) {
    return refusal(domains);
  }
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    if (const Refusal refused = refusal(rules_[i], domains[rules_[i].key], fewer[i]);
        refused != Refusal::none) {
      return refused;
    }
  }
  return Refusal::none;
}

void PairRules::weigh(const PodCounts& counts,
                      const PlacedPod& pod,
                      std::vector<bool>& answers) const {
  for (const Rule& rule : rules_) {
    answers.push_back(is_hard(rule.sort) && counts.counts(*rule.counter, pod));
  }
}

std::int32_t PairRules::preference(const Domains& domains) const {
  std::int64_t points = 0;
  for (const Rule& rule : rules_) {
    if (rule.sort != Sort::soft_spread && rule.sort != Sort::soft_affinity) {
      continue;
    }
    const auto domain = domains[rule.key];
    const std::int64_t count = domain == Interner::kNone ? 0 : rule.counter->count(domain);
    if (rule.sort == Sort::soft_spread) {
      const auto skew =
          domain == Interner::kNone ? kSkewMax : std::min(kSkewMax, count - rule.smallest);
      points -= skew * kPointsPerSkew;
    } else if (rule.sort == Sort::soft_affinity && count > 0) {
      points += rule.weight * kPointsPerWeight;
    }
  }
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(points, -500'000'000, 500'000'000));
}

}  // namespace tetrarch::schedule
