// SPDX-License-Identifier: Apache-2.0
// For work that takes long: lets others on the same strand and thread have their turn.
#pragma once

#include "async/task.h"

namespace tetrarch::async {

Task<void> yield();

}  // namespace tetrarch::async
