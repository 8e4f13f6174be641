// SPDX-License-Identifier: Apache-2.0
// A StatefulSet's pods by number, and which of them one reconcile may make or delete. Decisions
// only; documents are statefulset.cc's. Part of the stateful set controller.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "reconcile/controller.h"
#include "schema/views/apps.h"

namespace tetrarch::reconcile {

/// The number at the end of a pod's name, if the rest is "<set>-"; empty: it is none of the set's.
std::optional<std::int64_t> ordinal_of(std::string_view pod, std::string_view set);

/// One number; `pod` null: it is free.
struct StatefulSlot {
  std::int64_t ordinal = 0;
  const Stored* pod = nullptr;
};

/// Ours: what one reconcile creates at most; the next goes on.
inline constexpr std::size_t kStatefulBurst = 250;

struct StatefulPods {
  std::int64_t first = 0;  ///< the lowest number that the set may have
  /// By number: all that have a pod, and of the free ones no more than one reconcile can fill. A
  /// set of two thousand million costs what its pods do.
  std::vector<StatefulSlot> wanted;
  std::vector<StatefulSlot> surplus;  ///< the highest number first; none is free
};

StatefulPods stateful_pods(const Stored& set, const std::vector<const Stored*>& pods);

/// What decides the next step.
struct StatefulRules {
  bool is_ordered = true;
  bool updates = true;           ///< RollingUpdate
  std::int64_t partition = 0;    ///< the first of the wanted that an update may replace
  std::int64_t unavailable = 1;  ///< how many it may replace at a time
  std::int64_t min_ready_seconds = 0;
  std::string_view new_revision;
  TimePoint now;

  bool is_available(const Stored& pod) const;
  bool is_new(const Stored& pod) const;
};

StatefulRules stateful_rules(views::StatefulSetSpecView spec, TimePoint now);

struct StatefulStep {
  std::vector<StatefulSlot> created = {};
  std::vector<const Stored*> removed = {};
};

StatefulStep stateful_step(const StatefulPods& pods, const StatefulRules& rules);

}  // namespace tetrarch::reconcile
