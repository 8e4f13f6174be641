// SPDX-License-Identifier: Apache-2.0
#include "schedule/counted_nodes.h"

#include <algorithm>

#include <fmt/format.h>

#include "schema/views/core.h"

namespace tetrarch::schedule {

CountedNodes::CountedNodes(object::View pod,
                           InclusionPolicy policy,
                           std::vector<std::uint32_t> keys,
                           Interner& texts)
    : rules_(pod, texts), policy_(policy), keys_(std::move(keys)) {
  const views::PodSpecView spec(pod["spec"]);
  if (policy.honors_affinity) {
    signature_ += spec.node_selector().view().raw();
    signature_ += '|';
    signature_ += spec.affinity().node_affinity().view().raw();
  }
  signature_ += '|';
  if (policy.honors_taints) {
    signature_ += "taints";
    signature_ += spec.tolerations().view().raw();
  }
  for (const auto key : keys_) {
    signature_ += fmt::format("|{}", key);
  }
}

bool CountedNodes::counts(const Nodes& nodes, Place place) const {
  return std::all_of(keys_.begin(),
                     keys_.end(),
                     [&](auto key) { return nodes.label(place, key) != Interner::kNone; }) &&
         policy_.counts(rules_, nodes, place);
}

}  // namespace tetrarch::schedule
