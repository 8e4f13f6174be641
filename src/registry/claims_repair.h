// SPDX-License-Identifier: Apache-2.0
// Brings the claims of addresses and node ports in line with the services that are there: after a
// restored or hand-edited store, and after versions that forgot one.
#pragma once

#include "async/task.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "store/store.h"

namespace tetrarch::registry {

/// Takes what services hold without a claim, frees what no service holds, and logs both, and
/// addresses that two services hold. For the start, before the first request: a service that is
/// being created holds a claim that no snapshot shows yet. An IPAddress that a user made is left
/// alone. Safe to repeat.
Task<Status> repair_claims(store::Store& store, const Clock& clock, Random& random);

}  // namespace tetrarch::registry
