// SPDX-License-Identifier: Apache-2.0
// StatefulSets: pods that are told apart by a number and keep their names. Ordered ones come and go
// one after the other; an update replaces them from the highest number down to the partition. There
// are no volume claims yet.
#pragma once

#include <memory>

#include "reconcile/controller.h"

namespace tetrarch::reconcile {

std::unique_ptr<Controller> statefulset_controller();

}  // namespace tetrarch::reconcile
