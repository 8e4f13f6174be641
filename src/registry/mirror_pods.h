// SPDX-License-Identifier: Apache-2.0
// Mirror pods: what the API shows of pods that a node runs from its own files. A node may make them
// for itself alone, and they may lead to nothing else.
#pragma once

#include "registry/strategy.h"

namespace tetrarch::registry {

/// At the creation of any pod.
Status admit_mirror_pod(const Write& write, const Draft& draft);

}  // namespace tetrarch::registry
