// SPDX-License-Identifier: Apache-2.0
// Which Pods of a set go first when there are too many.
#pragma once

#include <vector>

#include "object/stored.h"

namespace tetrarch::reconcile {

/// Sorted: those to delete first in front. `related` are the Pods of the same workload (all sets of
/// one Deployment): where many of them share a node, one of those goes before one that is alone.
void rank_for_deletion(std::vector<const Stored*>& pods, const std::vector<const Stored*>& related);

}  // namespace tetrarch::reconcile
