// SPDX-License-Identifier: Apache-2.0
// ReasonTally: why each node refuses, summed up; one node may change its mind without a look at the
// others.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "schedule/interner.h"
#include "schedule/nodes.h"
#include "schedule/refusal.h"

namespace tetrarch::schedule {

struct Reason {
  Refusal refusal;
  std::string detail = {};
};

class ReasonTally {
 public:
  void clear();
  /// In place of what was said of the node before; none: it does not refuse.
  void set(Place place, const std::vector<Reason>& reasons);
  /// Of so many nodes.
  Explanation explain(std::size_t nodes) const;

 private:
  Interner verdicts_;                    // the words of all reasons of a node, a line each
  std::vector<std::size_t> counts_;      // by verdict
  std::vector<std::uint32_t> by_place_;  // verdicts; kNone: it does not refuse
};

}  // namespace tetrarch::schedule
