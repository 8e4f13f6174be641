// SPDX-License-Identifier: Apache-2.0
#include "schedule/budgets.h"

namespace tetrarch::schedule {

/// Source: kube-scheduler, preemption (1.35): an empty selector protects nothing here, and a pod
/// whose eviction the API has allowed was counted then.
bool Budgets::Budget::means(const PlacedPod& pod) const {
  const auto labels = pod.labels();
  return labels.size() > 0 && !selector.is_everything() && selector.matches(labels) &&
         !disrupted.contains(pod.root()["metadata"]["name"].string());
}

void Budgets::upsert(const Stored& budget,
                     const std::function<bool(std::string_view uid)>& is_counted) {
  const auto root = budget.root();
  const auto selector = object::LabelSelector::from_object(root["spec"]["selector"]);
  Budget fresh{.selector = selector.ok() ? *selector : object::LabelSelector::nothing(),
               .allowed = root["status"]["disruptionsAllowed"].integer()};
  for (const auto [name, time] : root["status"]["disruptedPods"].members()) {
    fresh.disrupted.emplace(name);
  }
  auto& known = budgets_[budget.key.ns];
  const auto at = known.find(budget.key.name);
  if (at != known.end()) {
    for (const auto& uid : at->second.taken) {
      if (!is_counted(uid)) {
        fresh.taken.insert(uid);
      }
    }
  }
  reach_version_ += at == known.end() || at->second.selector != fresh.selector ? 1 : 0;
  ++version_;
  known.insert_or_assign(budget.key.name, std::move(fresh));
}

void Budgets::remove(const Key& key) {
  const auto found = budgets_.find(key.ns);
  if (found != budgets_.end() && found->second.erase(key.name) > 0) {
    ++version_;
    ++reach_version_;
  }
}

Budgets::Verdict Budgets::ask(const std::vector<const PlacedPod*>& pods) const {
  Verdict out{.violates = std::vector<bool>(pods.size())};
  if (budgets_.empty()) {
    return out;
  }
  std::map<const Budget*, std::int64_t> left;
  for (std::size_t i = 0; i < pods.size(); ++i) {
    const auto here = budgets_.find(pods[i]->ns());
    if (here == budgets_.end()) {
      continue;
    }
    for (const auto& [name, budget] : here->second) {
      if (budget.means(*pods[i])) {
        out.is_protected = true;
        const auto at = left.emplace(&budget, budget.left()).first;
        out.violates[i] = --at->second < 0 || out.violates[i];
      }
    }
  }
  return out;
}

void Budgets::take(const PlacedPod& pod) {
  const auto here = budgets_.find(pod.ns());
  if (here == budgets_.end()) {
    return;
  }
  for (auto& [name, budget] : here->second) {
    if (budget.means(pod)) {
      budget.taken.emplace(pod.uid());
      ++version_;
    }
  }
}

void Budgets::give_back(const PlacedPod& pod) {
  const auto here = budgets_.find(pod.ns());
  if (here == budgets_.end()) {
    return;
  }
  for (auto& [name, budget] : here->second) {
    if (const auto taken = budget.taken.find(pod.uid()); taken != budget.taken.end()) {
      budget.taken.erase(taken);
      ++version_;
    }
  }
}

}  // namespace tetrarch::schedule
