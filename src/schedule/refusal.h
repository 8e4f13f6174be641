// SPDX-License-Identifier: Apache-2.0
// Refusal: why one node does not take one pod, and the sentence that counts nodes by it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace tetrarch::schedule {

enum class Refusal : std::uint8_t {
  none,
  node_name,
  unschedulable,
  taint,  ///< detail: "{key: value}"
  node_affinity,
  device_claims,  ///< the pod names claims for devices, which nobody allocates
  ports,
  resource,  ///< detail: the resource's name
  too_many_pods,
  spread,
  spread_label,  ///< the node lacks a topology key
  pod_affinity,
  pod_anti_affinity,
  others_anti_affinity,
  no_victims,  ///< of an eviction: nobody on the node is less important
  not_helped,  ///< of an eviction: the node would refuse the pod all the same
};

/// The words for one node; empty for none.
std::string reason_text(Refusal refusal, std::string_view detail);

/// Nodes by the reason that refused them.
/// Source: kube-scheduler, framework plugins' failure texts, which users and tools search for.
class Explanation {
 public:
  void add(Refusal refusal, std::string_view detail = "", std::size_t nodes = 1);

  /// The same in the words of reason_text().
  void add_text(std::string_view reason, std::size_t nodes) {
    counts_[std::string(reason)] += nodes;
  }

  void set_nodes(std::size_t nodes) { nodes_ = nodes; }

  /// "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable." Ordered as
  /// kube-scheduler does: by the text with its number.
  std::string text() const;

  /// Reason text to number of nodes.
  const std::map<std::string, std::size_t>& counts() const { return counts_; }

 private:
  std::size_t nodes_ = 0;
  std::map<std::string, std::size_t> counts_;
};

}  // namespace tetrarch::schedule
