// SPDX-License-Identifier: Apache-2.0
// Whether a node is one that a pod asks for: name, selector, required affinity, taints. Amounts are
// the scheduler's.
#pragma once

#include <string>
#include <vector>

#include "object/selector.h"
#include "object/stored.h"
#include "schema/views/core.h"

namespace tetrarch::reconcile {

bool tolerates(views::TolerationView toleration, views::TaintView taint);

class NodeFit {
 public:
  /// `pod` must outlive it.
  explicit NodeFit(views::PodSpecView pod);

  /// Name, selector and required affinity.
  bool wants(const Stored& node) const;
  /// Every taint of these effects is tolerated.
  bool bears(const Stored& node, bool only_no_execute) const;

 private:
  struct Term {
    object::LabelSelector labels;
    object::LabelSelector fields;
  };

  static bool matches(const Term& term, const Stored& node);

  views::PodSpecView pod_;
  bool has_required_ = false;
  std::vector<Term> terms_;
};

/// The one node that the pod's required affinity names (metadata.name), as DaemonSets write it; "":
/// none.
std::string_view named_node(views::PodSpecView pod);

}  // namespace tetrarch::reconcile
