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

bool is_lower(const StatefulSlot& a, const StatefulSlot& b) {
  return a.ordinal < b.ordinal;
}

/// The slots with a pod, which are in order, and the lowest free numbers of [first, end) among
/// them.
std::vector<StatefulSlot> with_free_slots(const std::vector<StatefulSlot>& taken,
                                          std::int64_t first,
                                          std::int64_t end) {
  std::vector<StatefulSlot> out;
  std::size_t free = 0;
  auto next = first;
  const auto free_until = [&](std::int64_t limit) {
    for (; next < limit && free < kStatefulBurst; ++next, ++free) {
      out.push_back({.ordinal = next});
    }
  };
  for (const auto& slot : taken) {
    free_until(slot.ordinal);
    out.push_back(slot);
    next = slot.ordinal + 1;
  }
  free_until(end);
  return out;
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
    for (auto at = pods_.wanted.rbegin(); at != pods_.wanted.rend() && budget > 0; ++at) {
      if (at->ordinal - pods_.first < rules_.partition) {
        return;
      }
      if (at->pod == nullptr) {
        continue;
      }
      const auto& pod = *at->pod;
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
  const auto end = first + spec.replicas();
  StatefulPods out{.first = first, .wanted = {}, .surplus = {}};
  for (const auto* pod : pods) {
    if (const auto ordinal = ordinal_of(pod->key.name, set.key.name)) {
      const bool is_wanted = *ordinal >= first && *ordinal < end;
      (is_wanted ? out.wanted : out.surplus).push_back({*ordinal, pod});
    }
  }
  std::sort(out.wanted.begin(), out.wanted.end(), is_lower);
  std::sort(out.surplus.rbegin(), out.surplus.rend(), is_lower);
  out.wanted = with_free_slots(out.wanted, first, end);
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
