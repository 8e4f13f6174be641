// SPDX-License-Identifier: Apache-2.0
// What a pod needs beside itself: the secrets, config maps, service account and runtime class that
// its spec names.
#pragma once

#include <vector>

#include "object/stored.h"

namespace tetrarch::registry {

/// Each once, in order.
std::vector<Key> pod_references(const Stored& pod);

}  // namespace tetrarch::registry
