// SPDX-License-Identifier: Apache-2.0
// What commands say of a Node.
#pragma once

#include <string>
#include <string_view>

#include "schema/views/core.h"

namespace tetrarch::app {

/// "True", "False", or "Unknown" where nothing has been heard of it.
std::string_view ready_of(views::NodeView node);
/// "Ready", "NotReady" or "Unreachable", and whether it is cordoned.
std::string state_of(views::NodeView node);
std::string_view address_of(views::NodeView node);

}  // namespace tetrarch::app
