// SPDX-License-Identifier: Apache-2.0
// RouteTable: what NodeRoutes mean on this node: which ranges of pods are behind which machine, and
// whether its segment is ours. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/network/network.h"
#include "base/ipv4.h"

namespace tetrarch::agent::network {

/// Another machine and its pods.
struct PeerRoute {
  Ipv4Range pods;
  std::uint32_t address = 0;  ///< of the machine
  bool is_direct = false;     ///< by a plain route; else in VXLAN
  bool operator==(const PeerRoute&) const = default;
};

/// An interface of this machine that is none of ours.
struct Segment {
  Ipv4Range range;
  std::uint32_t address = 0;  ///< this machine's
  int link = 0;               ///< index of the interface
  int mtu = 1500;             ///< bytes
};

class RouteTable {
 public:
  explicit RouteTable(std::string node_name) : node_name_(std::move(node_name)) {}

  /// What changed since the last call; `is_whole`: everything that there is. True: peers() may be
  /// another.
  bool apply(const std::vector<Change>& changes, bool is_whole);

  /// In order of ranges. Machines with the address of this one are left out: their pods hang on a
  /// bridge of this machine.
  std::vector<PeerRoute> peers(const std::vector<Segment>& segments) const;

  /// Of this node, as the others know it.
  std::optional<std::uint32_t> own_address() const;

 private:
  enum class Transport : std::uint8_t { either, routes, vxlan };

  struct Node {
    Ipv4Range pods;
    std::uint32_t address = 0;
    Transport transport = Transport::either;
    bool operator==(const Node&) const = default;
  };

  static std::optional<Node> read(const Change& change);
  static bool is_direct(const Node& own, const Node& other, const std::vector<Segment>& segments);

  std::string node_name_;
  std::map<std::string, Node> nodes_;  // by name
};

}  // namespace tetrarch::agent::network
