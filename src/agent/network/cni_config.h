// SPDX-License-Identifier: Apache-2.0
// The CNI configuration that the runtime runs for each pod sandbox: a bridge, with addresses from
// the node's range.
#pragma once

#include <filesystem>
#include <string>

#include "base/ipv4.h"

namespace tetrarch::agent::network {

struct CniOptions {
  std::string bridge;
  Ipv4Range pod_cidr;
  std::filesystem::path leases;  ///< where host-local keeps who has which address
  int mtu = 0;                   ///< of pods' interfaces, in bytes; 0: the kernel's usual
};

/// Source: CNI specification 1.0.0, "Network configuration format"; plugins bridge, host-local and
/// loopback 1.1.
std::string render_conflist(const CniOptions& options);

}  // namespace tetrarch::agent::network
