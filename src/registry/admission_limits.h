// SPDX-License-Identifier: Apache-2.0
// Limit ranges at the creation of a pod: containers that state nothing get the namespace's
// defaults, and what is stated must lie within its bounds.
#pragma once

#include "registry/strategy.h"

namespace tetrarch::registry {

/// Whether the pod was changed. Costs one look where the namespace has no limit range.
Result<bool> admit_limits(Write& write, Draft& draft);

}  // namespace tetrarch::registry
