// SPDX-License-Identifier: Apache-2.0
// Admission of new pods: service account, priority, default tolerations, runtime class.
#pragma once

#include "registry/strategy.h"

namespace tetrarch::registry {

/// All of them, in the order of a kube-apiserver. Code::forbidden with its sentence where one
/// refuses.
Status admit_pod(Write& write, Draft& draft);

}  // namespace tetrarch::registry
