// SPDX-License-Identifier: Apache-2.0
// SlowStart: how much of one plan is committed at a time. Creates go in steps of 1, 2, 4 … and stop
// at the first step of which one was refused, so 500 creates that a quota refuses cost one refused
// call a try, not 500. All other changes are made in any case. Pure; one per plan.
// Source: kube-controller-manager, slowStartBatch with SlowStartInitialBatchSize 1.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/result.h"
#include "object/stored.h"
#include "reconcile/controller.h"

namespace tetrarch::control {

class SlowStart {
 public:
  /// How many of the changes that are left come next, in their order; 0: none is left.
  std::size_t step(std::span<const reconcile::Change> left) const;
  /// What became of a step. `changes` are the whole plan's, `results` those of all that is done by
  /// now, the step's at the end. Takes the creates that are not to be tried any more out of
  /// `changes`.
  void settle(std::vector<reconcile::Change>& changes,
              std::span<const Result<Stored>> results,
              std::size_t step);

 private:
  std::size_t creates_max_ = 1;  ///< of the next step; doubles while none is refused
};

}  // namespace tetrarch::control
