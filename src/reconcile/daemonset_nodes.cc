// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes pkg/controller/daemon (1.31): which pods are surplus, and the order of an
// update.
#include "reconcile/daemonset_nodes.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>

#include "object/int_or_string.h"
#include "reconcile/node_fit.h"
#include "reconcile/pod_state.h"
#include "reconcile/template_history.h"

namespace tetrarch::reconcile {

namespace {

/// The pods that matter for an update of one node. Empty: there are more than can be; the ordinary
/// care cleans up first.
struct Pair {
  const Stored* fresh = nullptr;
  const Stored* old = nullptr;
};

std::optional<Pair> pair_on(const DaemonNode& node, const DaemonPods& pods) {
  Pair out;
  for (const auto* pod : node.pods) {
    if (is_terminating(*pod)) {
      continue;
    }
    auto*& place = pods.is_new(*pod) ? out.fresh : out.old;
    if (place != nullptr) {
      return std::nullopt;
    }
    place = pod;
  }
  return out;
}

template <class T>
void take(const std::vector<T>& candidates, std::int64_t most, std::vector<T>* out) {
  const auto count =
      std::min(static_cast<std::int64_t>(candidates.size()), std::max<std::int64_t>(0, most));
  out->insert(out->end(), candidates.begin(), candidates.begin() + count);
}

/// Old pods are deleted as long as no more than `most` nodes are without an available one; those
/// that are not available go at once.
DaemonStep step_by_removal(const std::vector<DaemonNode>& nodes,
                           const DaemonPods& pods,
                           std::int64_t most) {
  DaemonStep out;
  std::vector<const Stored*> candidates;
  std::int64_t unavailable = 0;
  for (const auto& node : nodes) {
    if (!node.should_run && node.pods.empty()) {
      continue;
    }
    const auto pair = pair_on(node, pods);
    if (!pair || (pair->fresh == nullptr) == (pair->old == nullptr)) {
      ++unavailable;
    } else if (pair->fresh != nullptr) {
      unavailable += pods.is_available(*pair->fresh) ? 0 : 1;
    } else if (!pods.is_available(*pair->old)) {
      out.removed.push_back(pair->old);
      ++unavailable;
    } else {
      candidates.push_back(pair->old);
    }
  }
  take(candidates, most - unavailable, &out.removed);
  return out;
}

/// New pods are made beside old ones, on at most `most` nodes; an old pod goes when the new one is
/// available.
DaemonStep step_by_surge(const std::vector<DaemonNode>& nodes,
                         const DaemonPods& pods,
                         std::int64_t most) {
  DaemonStep out;
  std::vector<const DaemonNode*> candidates;
  std::int64_t surging = 0;
  for (const auto& node : nodes) {
    const auto pair = pair_on(node, pods);
    if (!pair) {
      ++surging;
    } else if (pair->old == nullptr || !node.should_run) {
      continue;
    } else if (pair->fresh == nullptr) {
      (pods.is_available(*pair->old) ? candidates : out.created).push_back(&node);
    } else if (pods.is_available(*pair->fresh)) {
      out.removed.push_back(pair->old);
    } else {
      ++surging;
    }
  }
  take(candidates, most - surging, &out.created);
  return out;
}

}  // namespace

std::vector<DaemonNode> daemon_nodes(const Question& asked,
                                     views::PodSpecView pod,
                                     const std::vector<const Stored*>& pods) {
  const NodeFit fit(pod);
  std::map<std::string_view, DaemonNode> nodes;
  for (const auto* node : asked.seen.list("nodes")) {
    auto& at = nodes[node->key.name];
    at.name = node->key.name;
    at.is_there = true;
    const bool is_wanted = fit.wants(*node);
    at.should_run = is_wanted && fit.bears(*node, false);
    at.may_stay = is_wanted && fit.bears(*node, true);
  }
  for (const auto* each : pods) {
    const views::PodSpecView spec(each->root()["spec"]);
    const auto name = spec.node_name().empty() ? named_node(spec) : spec.node_name();
    // One that is over and being removed holds no place.
    if (is_terminating(*each) && is_finished(views::PodView(each->root()))) {
      continue;
    }
    auto& at = nodes[name];
    at.name = name;
    at.pods.push_back(each);
  }
  std::vector<DaemonNode> out;
  for (auto& [name, node] : nodes) {
    std::sort(node.pods.begin(), node.pods.end(), [](const Stored* a, const Stored* b) {
      const auto standing = [](const Stored& each) {
        return std::tuple(each.root()["spec"]["nodeName"].string().empty(),
                          created_at(each),
                          std::string_view(each.key.name));
      };
      return standing(*a) < standing(*b);
    });
    out.push_back(std::move(node));
  }
  return out;
}

bool DaemonPods::is_new(const Stored& pod) const {
  return pod.metadata()["labels"][kRevisionHash].string() == hash;
}

bool DaemonPods::is_available(const Stored& pod) const {
  const auto from = available_from(views::PodView(pod.root()), min_ready_seconds);
  return from && *from <= now;
}

std::vector<const Stored*> daemon_surplus(const DaemonNode& node,
                                          const DaemonPods& pods,
                                          bool surges) {
  std::vector<const Stored*> out;
  const Stored* kept_new = nullptr;
  const Stored* kept_old = nullptr;
  for (const auto* pod : node.pods) {
    if (!is_active(*pod)) {
      continue;
    }
    auto*& kept = surges && pods.is_new(*pod) ? kept_new : kept_old;
    if (kept == nullptr) {
      kept = pod;
    } else {
      out.push_back(pod);
    }
  }
  if (kept_new != nullptr && kept_old != nullptr &&
      (!is_ready(views::PodView(kept_old->root())) || pods.is_available(*kept_new))) {
    out.push_back(kept_old);
  }
  return out;
}

DaemonBounds daemon_bounds(views::DaemonSetSpecView spec, const std::vector<DaemonNode>& nodes) {
  const auto desired = std::count_if(
      nodes.begin(), nodes.end(), [](const DaemonNode& node) { return node.should_run; });
  const auto update = spec.update_strategy().rolling_update();
  const auto share = [&](object::View value) {
    return object::scaled_value(value, desired, object::Rounding::up).value_or(0);
  };
  DaemonBounds out{share(update.max_surge()), share(update.max_unavailable())};
  if (out.surge == 0 && out.unavailable == 0 && desired > 0) {
    out.unavailable = 1;  // else it would never move
  }
  return out;
}

DaemonStep daemon_step(const std::vector<DaemonNode>& nodes,
                       const DaemonPods& pods,
                       DaemonBounds bounds) {
  return bounds.surge == 0 ? step_by_removal(nodes, pods, bounds.unavailable)
                           : step_by_surge(nodes, pods, bounds.surge);
}

}  // namespace tetrarch::reconcile
