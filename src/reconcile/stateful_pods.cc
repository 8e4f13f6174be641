// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes documentation, "StatefulSets", and pkg/controller/statefulset (1.31) for the
// order of what is done first.
#include "reconcile/stateful_pods.h"

#include <algorithm>

#include "object/int_or_string.h"
#include "reconcile/children.h"
#include "reconcile/pod_state.h"
#include "reconcile/template_history.h"

namespace tetrarch::reconcile {

namespace {

bool is_over(const Stored& pod) {
  return is_finished(views::PodView(pod.root()));
}

/// Running, ready and not on its way out.
bool is_healthy(const Stored& pod) {
  return !is_terminating(pod) && is_ready(views::PodView(pod.root()));
}

/// One reconcile's worth of changes. An ordered set makes one at a time, and waits where it cannot
/// go on.
class Walk {
 public:
  Walk(const StatefulPods& pods, const StatefulRules& rules) : pods_(pods), rules_(rules) {}

  StatefulStep run() {
    if (fill() && shrink() && rules_.updates) {
      update();
    }
    return std::move(step_);
  }

 private:
  bool has_changed() const { return !step_.created.empty() || !step_.removed.empty(); }

  /// False: nothing else may happen now.
  bool fill() {
    for (const auto& slot : pods_.wanted) {
      if (slot.pod == nullptr) {
        step_.created.push_back(slot);
      } else if (is_over(*slot.pod) && !is_terminating(*slot.pod)) {
        step_.removed.push_back(slot.pod);  // it comes back under the same name
      } else if (!rules_.is_ordered || rules_.is_available(*slot.pod)) {
        continue;
      }
      if (rules_.is_ordered) {
        return false;
      }
    }
    return true;
  }

  /// From the highest number down. What is unwell holds an ordered set, but for the lowest that is:
  /// that one does not stand in the way of its own end.
  bool shrink() {
    const Stored* lowest_unwell = nullptr;
    for (const auto& slot : pods_.surplus) {
      lowest_unwell = is_healthy(*slot.pod) ? lowest_unwell : slot.pod;
    }
    for (const auto& slot : pods_.surplus) {
      const bool is_held =
          rules_.is_ordered && !rules_.is_available(*slot.pod) && slot.pod != lowest_unwell;
      if (!is_held && !is_terminating(*slot.pod)) {
        step_.removed.push_back(slot.pod);
      }
      if (rules_.is_ordered) {
        return false;
      }
    }
    return !has_changed();
  }

  void update() {
    auto budget = rules_.unavailable;
    for (std::size_t i = pods_.wanted.size(); i > 0 && budget > 0; --i) {
      if (static_cast<std::int64_t>(i) - 1 < rules_.partition) {
        return;
      }
      const auto& pod = *pods_.wanted[i - 1].pod;
      if (!rules_.is_new(pod) && !is_terminating(pod)) {
        step_.removed.push_back(&pod);
        --budget;
      } else if (!is_healthy(pod)) {
        --budget;
      }
    }
  }

  const StatefulPods& pods_;
  const StatefulRules& rules_;
  StatefulStep step_;
};

}  // namespace

std::optional<std::int64_t> ordinal_of(std::string_view pod, std::string_view set) {
  if (!pod.starts_with(set) || pod.size() < set.size() + 2 || pod[set.size()] != '-') {
    return std::nullopt;
  }
  const auto digits = pod.substr(set.size() + 1);
  const bool is_plain =
      std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
      (digits.size() == 1 || digits.front() != '0');
  const auto number = is_plain ? number_in(digits, -1) : -1;
  return number >= 0 ? std::optional(number) : std::nullopt;
}

StatefulPods stateful_pods(const Stored& set, const std::vector<const Stored*>& pods) {
  const views::StatefulSetSpecView spec(set.root()["spec"]);
  const auto first = spec.ordinals().start();
  StatefulPods out;
  for (std::int64_t i = 0; i < spec.replicas(); ++i) {
    out.wanted.push_back({.ordinal = first + i});
  }
  for (const auto* pod : pods) {
    const auto ordinal = ordinal_of(pod->key.name, set.key.name);
    if (!ordinal) {
      continue;
    }
    if (*ordinal >= first && *ordinal < first + spec.replicas()) {
      out.wanted[static_cast<std::size_t>(*ordinal - first)].pod = pod;
    } else {
      out.surplus.push_back({*ordinal, pod});
    }
  }
  std::sort(out.surplus.begin(), out.surplus.end(), [](const auto& a, const auto& b) {
    return a.ordinal > b.ordinal;
  });
  return out;
}

bool StatefulRules::is_available(const Stored& pod) const {
  const auto from = available_from(views::PodView(pod.root()), min_ready_seconds);
  return !is_terminating(pod) && from && *from <= now;
}

bool StatefulRules::is_new(const Stored& pod) const {
  return pod.metadata()["labels"][kRevisionHash].string() == new_revision;
}

StatefulRules stateful_rules(views::StatefulSetSpecView spec, TimePoint now) {
  const auto strategy = spec.update_strategy();
  StatefulRules out;
  out.is_ordered = spec.pod_management_policy() != "Parallel";
  out.updates = strategy.type() == "RollingUpdate";
  out.partition = strategy.rolling_update().partition();
  if (const auto most = strategy.rolling_update().max_unavailable(); most.exists()) {
    const auto scaled = object::scaled_value(most, spec.replicas(), object::Rounding::up);
    out.unavailable = std::max<std::int64_t>(1, scaled.value_or(1));
  }
  out.min_ready_seconds = spec.min_ready_seconds();
  out.now = now;
  return out;
}

StatefulStep stateful_step(const StatefulPods& pods, const StatefulRules& rules) {
  return Walk(pods, rules).run();
}

}  // namespace tetrarch::reconcile
