// SPDX-License-Identifier: Apache-2.0
// Nodes: health from their Leases (conditions Unknown, taints), eviction of Pods from nodes that
// are out (not all at once), and each node's pod CIDR. Silence is measured by when we saw the last
// sign, so a control plane that was away itself blames nobody.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "reconcile/controller.h"

namespace tetrarch::reconcile {

/// Conditions, and taints that keep further Pods away. A node is out when its agent, which beats on
/// its connection, has been silent for `silence`; one that is only known by its Lease, after
/// `grace`.
std::unique_ptr<Controller> node_health_controller(
    std::chrono::seconds grace, std::chrono::seconds silence = std::chrono::seconds(8));
/// The NoExecute taint of nodes that are out, which costs their Pods their place: one node after
/// the other in each zone, slower or not at all where most of a zone is out, never where every node
/// is. `grace`: not before some node has been ready that long.
std::unique_ptr<Controller> node_disruption_controller(std::chrono::seconds grace);
/// Ends Pods that do not (or no longer) tolerate a node's NoExecute taints. `grace`: not before we
/// have watched that long; nobody is evicted for a node that is out when all are.
std::unique_ptr<Controller> taint_eviction_controller(std::chrono::seconds grace);
/// spec.podCIDR of each node from `cluster_cidr` (IPv4).
std::unique_ptr<Controller> node_cidr_controller(std::string cluster_cidr, int node_bits);

}  // namespace tetrarch::reconcile
