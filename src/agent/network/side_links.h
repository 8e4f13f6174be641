// SPDX-License-Identifier: Apache-2.0
// The links that side networks are made of, by netlink. Each makes true what it is given and leaves
// alone what is so already. Blocking.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/ipv4.h"
#include "base/result.h"

namespace tetrarch::agent::network {

struct SideBridge {
  std::string name;
  int mtu = 1450;
  std::string address;  ///< "10.60.0.1/24"; empty: none
};

struct SideTunnel {
  std::string name;
  std::string bridge;
  std::uint32_t vni = 0;
  std::uint32_t own_address = 0;
  int mtu = 1450;
  std::vector<std::uint32_t> machines;  ///< which get what is for everybody
};

struct SideVeth {
  std::string name;  ///< this machine's end
  std::string bridge;
  std::filesystem::path pod_network;  ///< where the other end is
  std::string interface;              ///< the other end
  std::string address;                ///< of the other end, "10.60.0.7/24"
  std::string hardware;               ///< of the other end
  int mtu = 1450;
};

Status ensure_side_bridge(const SideBridge& wanted);
Status ensure_side_tunnel(const SideTunnel& wanted);
/// Code::not_found: there is no such pod network. Code::conflict: its interface is another's.
Status ensure_side_veth(const SideVeth& wanted);
/// Names of links that begin so.
Result<std::vector<std::string>> links_named(const std::string& prefix);

}  // namespace tetrarch::agent::network
