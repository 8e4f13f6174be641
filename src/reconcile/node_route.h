// SPDX-License-Identifier: Apache-2.0
// For each node with a range and an address a NodeRoute of its name: the little that all other
// nodes must know of it, in an object that changes as seldom as that does.
#pragma once

#include <memory>
#include <string_view>

#include "reconcile/controller.h"

namespace tetrarch::reconcile {

inline constexpr std::string_view kNodeRoutes = "noderoutes.network.tetrarch.dev";
/// An agent's word on how its pods' packets travel: auto, routes or vxlan.
inline constexpr std::string_view kTransport = "network.tetrarch.dev/transport";

std::unique_ptr<Controller> node_route_controller();

}  // namespace tetrarch::reconcile
