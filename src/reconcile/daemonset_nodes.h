// SPDX-License-Identifier: Apache-2.0
// A DaemonSet's pods by node, and what they mean there: which are too many, which make way in an
// update. Decisions only; documents are daemonset.cc's. Part of the daemon set controller.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "reconcile/controller.h"
#include "schema/views/apps.h"

namespace tetrarch::reconcile {

/// One node, or the name of one that is gone.
struct DaemonNode {
  std::string name;
  bool is_there = false;
  bool should_run = false;               ///< a pod belongs there
  bool may_stay = false;                 ///< one that is there is left alone
  std::vector<const Stored*> pods = {};  ///< placed ones first, then the oldest
};

/// All nodes, in order of name. `pod`: the spec that the set's pods have, tolerations included.
std::vector<DaemonNode> daemon_nodes(const Question& asked,
                                     views::PodSpecView pod,
                                     const std::vector<const Stored*>& pods);

/// What tells a set's pods apart.
struct DaemonPods {
  std::string_view hash = {};  ///< of the present template
  std::int64_t min_ready_seconds = 0;
  TimePoint now;

  bool is_new(const Stored& pod) const;
  bool is_available(const Stored& pod) const;
};

/// Of a node where a pod may stay: those that are one too many. `surges`: an old and a new one may
/// stand side by side until the new one is available.
std::vector<const Stored*> daemon_surplus(const DaemonNode& node,
                                          const DaemonPods& pods,
                                          bool surges);

/// maxSurge and maxUnavailable, resolved.
struct DaemonBounds {
  std::int64_t surge = 0;
  std::int64_t unavailable = 0;
};

DaemonBounds daemon_bounds(views::DaemonSetSpecView spec, const std::vector<DaemonNode>& nodes);

/// The next step of an update.
struct DaemonStep {
  std::vector<const Stored*> removed = {};
  std::vector<const DaemonNode*> created = {};  ///< a new pod beside the old one
};

DaemonStep daemon_step(const std::vector<DaemonNode>& nodes,
                       const DaemonPods& pods,
                       DaemonBounds bounds);

}  // namespace tetrarch::reconcile
