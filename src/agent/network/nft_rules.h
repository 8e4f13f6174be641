// SPDX-License-Identifier: Apache-2.0
// The packet filter's text: one table per cluster instance. The frame is written once; after that a
// change costs only the services that it touches. Each text is one atomic batch.
#pragma once

#include <map>
#include <set>
#include <string>

#include "agent/network/service_table.h"
#include "base/ipv4.h"

namespace tetrarch::agent::network {

struct NftOptions {
  std::string table;  ///< tetrarch_ab12cd
  std::string bridge;
  Ipv4Range pod_cidr;          ///< of this node
  Ipv4Range cluster_pod_cidr;  ///< of all nodes
  Ipv4Range service_cidr;
  std::string dns_address;
  std::string vxlan;  ///< the device to other segments
};

/// What was last made true.
struct NftState {
  std::map<std::string, ServicePort> ports;
  std::set<PodHostPort> host_ports;
};

/// What a table of services asks for, less what the kernel would refuse as a whole: addresses that
/// are not IPv4, and a second claim to an address and port (two services with one external IP, two
/// pods with one host port): cluster addresses come first, then the order of names.
NftState state_of(const ServiceTable& table);

/// Replaces whatever the table held by the frame (chains and empty maps) and everything in
/// `wanted`.
std::string render_whole(const NftOptions& options, const NftState& wanted);
/// Leads from `present` to `wanted`; empty where nothing differs.
std::string render_change(const NftOptions& options,
                          const NftState& present,
                          const NftState& wanted);

}  // namespace tetrarch::agent::network
