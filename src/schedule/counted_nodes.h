// SPDX-License-Identifier: Apache-2.0
// CountedNodes: the nodes that a topology spread constraint looks at. Pods elsewhere do not count,
// and a domain without such a node is none: a zone that a pod may not use must not hold it back.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "object/document.h"
#include "schedule/node_rules.h"
#include "schedule/nodes.h"

namespace tetrarch::schedule {

/// A constraint's nodeAffinityPolicy and nodeTaintsPolicy.
struct InclusionPolicy {
  // Source: Kubernetes API reference, TopologySpreadConstraint: what holds where none is given.
  bool honors_affinity = true;
  bool honors_taints = false;

  static constexpr std::size_t kCount = 4;

  /// A number below kCount.
  std::size_t index() const { return (honors_affinity ? 1U : 0U) + (honors_taints ? 2U : 0U); }

  static InclusionPolicy at(std::size_t index) {
    return {.honors_affinity = (index & 1U) != 0, .honors_taints = (index & 2U) != 0};
  }

  /// Whether a pod with these rules counts the node under this policy.
  bool counts(const NodeRules& rules, const Nodes& nodes, Place place) const {
    return (!honors_affinity || rules.matches_affinity(nodes, place)) &&
           (!honors_taints || rules.tolerates(nodes, place));
  }
};

/// Immutable; shared by the counters and questions that look at the same nodes.
class CountedNodes {
 public:
  /// `keys`: a node must have all of these labels.
  CountedNodes(object::View pod,
               InclusionPolicy policy,
               std::vector<std::uint32_t> keys,
               Interner& texts);

  bool counts(const Nodes& nodes, Place place) const;

  /// Equal for equal sets of nodes, whatever nodes there are.
  const std::string& signature() const { return signature_; }

 private:
  const NodeRules rules_;
  const InclusionPolicy policy_;
  const std::vector<std::uint32_t> keys_;
  std::string signature_;
};

}  // namespace tetrarch::schedule
