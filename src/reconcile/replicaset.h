// SPDX-License-Identifier: Apache-2.0
// ReplicaSets and ReplicationControllers, which are the same but for the form of their selector: as
// many active Pods as spec.replicas says, adopted by selector, created under deterministic names,
// deleted the least useful first. Counts them in status.
#pragma once

#include <memory>

#include "reconcile/controller.h"

namespace tetrarch::reconcile {

std::unique_ptr<Controller> replicaset_controller();
std::unique_ptr<Controller> replication_controller();

}  // namespace tetrarch::reconcile
