// SPDX-License-Identifier: Apache-2.0
#include "reconcile/pod_ranking.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <string_view>
#include <tuple>

#include "reconcile/pod_state.h"

namespace tetrarch::reconcile {

namespace {

constexpr std::string_view kDeletionCost = "controller.kubernetes.io/pod-deletion-cost";

int phase_rank(std::string_view phase) {
  if (phase == "Pending" || phase.empty()) {
    return 0;
  }
  return phase == "Unknown" ? 1 : 2;
}

std::int64_t deletion_cost(views::PodView pod) {
  const auto text = pod.metadata().annotations().find(kDeletionCost);
  std::int32_t cost = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cost);
  return error == std::errc() && end == text.data() + text.size() ? cost : 0;
}

std::int64_t restarts(views::PodView pod) {
  std::int64_t most = 0;
  for (const auto container : pod.status().container_statuses()) {
    most = std::max(most, container.restart_count());
  }
  return most;
}

/// Smaller goes first. Source: Kubernetes pkg/controller, ActivePodsWithRanks.Less (1.31), in its
/// order of criteria. Ours: times are compared exactly, not by their logarithm, so that the choice
/// is the same everywhere.
auto standing(const Stored& stored, int neighbours) {
  const views::PodView pod(stored.root());
  const auto ready = ready_since(pod);
  const auto negative = [](TimePoint time) { return -time.time_since_epoch().count(); };
  return std::tuple(!pod.spec().node_name().empty(),
                    phase_rank(pod.status().phase()),
                    ready.has_value(),
                    deletion_cost(pod),
                    -neighbours,
                    negative(ready.value_or(TimePoint{})),
                    -restarts(pod),
                    negative(created_at(stored)),
                    std::string(stored.key.name));
}

}  // namespace

void rank_for_deletion(std::vector<const Stored*>& pods,
                       const std::vector<const Stored*>& related) {
  std::map<std::string_view, int> on_node;
  for (const auto* each : related) {
    const auto node = views::PodView(each->root()).spec().node_name();
    if (is_active(*each) && !node.empty()) {
      ++on_node[node];
    }
  }
  using Standing = decltype(standing(*pods.front(), 0));
  std::vector<std::pair<Standing, const Stored*>> ranked;
  for (const auto* pod : pods) {
    const auto node = on_node.find(views::PodView(pod->root()).spec().node_name());
    ranked.emplace_back(standing(*pod, node == on_node.end() ? 0 : node->second), pod);
  }
  std::sort(
      ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::transform(
      ranked.begin(), ranked.end(), pods.begin(), [](const auto& each) { return each.second; });
}

}  // namespace tetrarch::reconcile
