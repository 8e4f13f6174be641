// SPDX-License-Identifier: Apache-2.0
// Quotas at the moment of a write: what an object takes is charged to its namespace's quotas in the
// object's own commit, with a compare on each. So parallel creates can never take more than there
// is, whichever server they go through. What goes is given back by a recount (Planner::recount),
// which the controller asks for (reconcile/resource_quota.h).
#pragma once

#include "registry/strategy.h"

namespace tetrarch::registry {

/// Charges what `fresh` takes beyond `old` (absent: all of it), or refuses as kube-apiserver does.
/// Costs one look where the namespace has no quota.
Status charge_quotas(Write& write, const Key& key, object::View fresh, object::View old);

/// The status of a quota with that spec: what is enforced, and what is taken in the write's
/// snapshot. Whoever commits it compares the quota: every charge changes that.
std::string counted_status(const Write& write, const std::string& ns, object::View spec);

}  // namespace tetrarch::registry
