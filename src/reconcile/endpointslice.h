// SPDX-License-Identifier: Apache-2.0
// EndpointSlices of Services with a selector: what the node's service proxy and DNS read.
#pragma once

#include <memory>

#include "reconcile/controller.h"

namespace tetrarch::reconcile {

std::unique_ptr<Controller> endpointslice_controller();

}  // namespace tetrarch::reconcile
