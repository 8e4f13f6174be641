// SPDX-License-Identifier: Apache-2.0
// Endpoints objects, the older form of EndpointSlices: of Services with a selector we write them;
// those that a user writes for a Service without one are mirrored into EndpointSlices, which is all
// that proxy and DNS read.
#pragma once

#include <memory>

#include "reconcile/controller.h"

namespace tetrarch::reconcile {

std::unique_ptr<Controller> endpoints_controller();
std::unique_ptr<Controller> endpoints_mirroring_controller();

}  // namespace tetrarch::reconcile
