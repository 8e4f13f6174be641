// SPDX-License-Identifier: Apache-2.0
// DaemonSets: one pod on every node that the template wants and whose taints it bears, pinned to it
// by node affinity. Old pods make way node by node, within the bounds of spec.updateStrategy.
#pragma once

#include <memory>

#include "reconcile/controller.h"

namespace tetrarch::reconcile {

std::unique_ptr<Controller> daemonset_controller();

}  // namespace tetrarch::reconcile
