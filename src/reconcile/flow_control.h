// SPDX-License-Identifier: Apache-2.0
// Flow schemas and priority levels: those that every cluster begins with are kept, and each schema
// says whether its level exists. Who is served when is decided in api/kubernetes.
#pragma once

#include <memory>
#include <vector>

#include "reconcile/controller.h"

namespace tetrarch::reconcile {

/// An object that is made again where it is missing.
struct KeptFlow {
  Key key;
  DocumentPtr document;
  bool is_mandatory = false;  ///< kept as it is whatever its annotation says
};

std::unique_ptr<Controller> flow_control_controller(std::vector<KeptFlow> kept);

}  // namespace tetrarch::reconcile
