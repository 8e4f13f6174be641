// SPDX-License-Identifier: Apache-2.0
// NodeRules: what a pod asks of a node itself, apart from amounts: name, selector, affinity,
// tolerations. Does not change while nodes fill up, so a class of pods evaluates it once per node.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "object/document.h"
#include "object/selector.h"
#include "schedule/nodes.h"
#include "schedule/refusal.h"

namespace tetrarch::schedule {

/// The node that a pod is pinned to by its required affinity (one term, metadata.name), as the pods
/// of a DaemonSet are; an absent view: none. Not for pods that ask to be spread.
object::View pinned_node(object::View pod);

class NodeRules {
 public:
  /// Left out by who asks about the pinned node only.
  enum class Pin : std::uint8_t { honoured, left_out };

  /// Keeps its own copies; `pod` need not outlive it.
  NodeRules(object::View pod, Interner& texts, Pin pin = Pin::honoured);

  /// none, unschedulable, node_name, taint, node_affinity or device_claims, in the order in which
  /// kube-scheduler asks.
  Refusal refusal(const Nodes& nodes, Place place) const;
  /// Added to the rank: preferred affinity raises it, taints that are merely preferred lower it.
  /// May be negative.
  std::int32_t preference(const Nodes& nodes, Place place) const;
  /// Selector and required affinity alone.
  bool matches_affinity(const Nodes& nodes, Place place) const;

  /// No taint is in the way, apart from those that are merely preferred.
  bool tolerates(const Nodes& nodes, Place place) const {
    return untolerated(nodes, place) == nullptr;
  }

  bool asks_affinity() const { return has_required_ || !selector_.empty(); }

  /// "{key: value}" of the first taint that is not tolerated.
  std::string taint_detail(const Nodes& nodes, Place place) const;

 private:
  struct Toleration {
    std::uint32_t key;  ///< Interner::kNone: every key
    std::uint32_t value;
    bool is_exists;
    bool has_effect;
    TaintEffect effect;
  };

  /// Both must match; a term with neither matches nothing.
  struct Term {
    object::LabelSelector labels;
    object::LabelSelector fields;
    bool is_empty = true;
  };

  struct Preferred {
    Term term;
    std::int64_t weight;
  };

  static Term read_term(object::View term, bool has_fields);
  bool matches(const Term& term, const Nodes& nodes, Place place) const;
  bool is_tolerated(const Taint& taint) const;
  const Taint* untolerated(const Nodes& nodes, Place place) const;

  const Interner& texts_;
  std::string node_name_;
  std::vector<Label> selector_;
  bool has_required_ = false;
  std::vector<Term> required_;
  std::vector<Preferred> preferred_;
  std::vector<Toleration> tolerations_;
  bool tolerates_unschedulable_ = false;
  bool has_device_claims_ = false;
};

}  // namespace tetrarch::schedule
