// SPDX-License-Identifier: Apache-2.0
// PodQuestion: which pods a spread constraint or an affinity term is about.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "object/selector.h"
#include "object/stored.h"
#include "schedule/counted_nodes.h"
#include "schedule/nodes.h"

namespace tetrarch::schedule {

/// Which pods a counter counts.
struct PodQuestion {
  /// selected: pods whose labels match. holding: pods that themselves carry this required
  /// anti-affinity term.
  enum class What : std::uint8_t { selected, holding };
  What what = What::selected;
  std::uint32_t topology_key = Interner::kNone;
  std::vector<std::string> namespaces = {};  ///< sorted; empty: all
  object::LabelSelector selector = {};
  /// Labels that must be there too, key and value; ordered.
  std::vector<std::pair<std::string, std::string>> also = {};
  bool skips_terminating = false;
  bool skips_nominated = false;  ///< a pod that has no node yet is no company
  std::shared_ptr<const CountedNodes> nodes = nullptr;  ///< null: all nodes in a domain

  bool operator==(const PodQuestion& other) const;

  /// Whether a pod with these labels in this namespace is meant.
  bool means(std::string_view ns, object::View labels) const;
};

/// The required anti-affinity terms of a pod, as questions (what: holding).
std::vector<PodQuestion> anti_affinity_of(object::View pod, Interner& texts);
/// A PodAffinityTerm as a question (what: selected).
PodQuestion question_of_term(object::View term, std::string_view own_namespace, Interner& texts);

}  // namespace tetrarch::schedule
