// SPDX-License-Identifier: Apache-2.0
// Routes to other machines' pods in the kernel: plain ones, and a VXLAN device for machines on
// other segments. Blocking.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/network/route_table.h"
#include "base/ipv4.h"
#include "base/result.h"

namespace tetrarch::agent::network {

struct RouteOptions {
  std::string vxlan;            ///< name of the device, at most 15 characters
  std::uint32_t vni = 1;        ///< 24 bits; the cluster's: two clusters never hear each other
  Ipv4Range own_pods;           ///< of this node
  std::uint32_t own_address{};  ///< of this machine
  Ipv4Range cluster_pods;       ///< routes outside of it are not ours
};

/// The IPv4 networks that this machine is on, without `ours` (interfaces by name) and loopback.
Result<std::vector<Segment>> read_segments(const std::vector<std::string>& ours);

/// Makes the kernel's routes to pods these. What is right already is not touched: packets go on. A
/// plain route needs its machine on one of the `segments`; where one is wanted all the same, the
/// kernel's own route to it leads.
Status sync_routes(const RouteOptions& options,
                   const std::vector<PeerRoute>& peers,
                   const std::vector<Segment>& segments);

/// All of them, and the device.
Status remove_routes(const std::string& vxlan, const Ipv4Range& cluster_pods);

}  // namespace tetrarch::agent::network
