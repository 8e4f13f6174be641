// SPDX-License-Identifier: Apache-2.0
// What services are in the packet filter: the fixed frame of their table, and what one port of a
// service adds to it. Endpoints are elements of maps; which of a service's endpoints a packet
// gets is picked by a chain that all services with as many endpoints share, so that a change is
// some elements, whatever else there is. Pure; service_rules.h puts it together.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "agent/network/nft_book.h"
#include "agent/network/service_table.h"
#include "agent/network/sticky_rules.h"
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

/// A chain that picks one of so many endpoints, shared by all services that have as many.
struct Among {
  enum class Side : std::uint8_t {
    inside,         ///< by an address of the service; endpoints see the client's
    external,       ///< by an external one; the answer comes back through this node
    outside,        ///< by a node port; likewise
    outside_local,  ///< the same, to endpoints on this node; they see the client's address
  };

  Side side = Side::inside;
  std::size_t count = 0;
  std::string sticking = {};  ///< the protocol, for those that stick to their clients
  auto operator<=>(const Among&) const = default;

  bool is_by_address() const { return side == Side::inside || side == Side::external; }

  /// Of the chain, and of the set of those that it picks for: "inside_3", "inside_3_sticking_tcp".
  std::string name() const;
  /// Whether those it picks for are in such a set, which lead() asks; the others are elements that
  /// name the chain. The kernel looks at each of those whenever one comes.
  bool has_set() const;
};

struct NftElement {
  std::string set;
  std::string key;
  std::string verdict;  ///< or data; empty in sets
};

/// What one port of a service is made of.
struct PortRules {
  std::vector<NftElement> elements;
  std::vector<Among> among;           ///< what it shares
  std::vector<Recall> recalls;        ///< likewise, if it sticks to its clients
  std::vector<std::string> hairpins;  ///< elements that others may have as well
};

inline constexpr const char* kHairpins = "hairpin";
inline constexpr const char* kProtocols[] = {"tcp", "udp", "sctp"};  ///< of services

PortRules rules_of(const NftOptions& options, const ServicePort& port);
NftElement element_of(const PodHostPort& port);

std::vector<NamedSet> fixed_sets();
NamedSet set_of(const Among& among);
std::vector<std::string> pick(const NftOptions& options, const Among& among);
/// The chains that lead a packet: to an address of a service or a pod's host port, and, of what is
/// sent to this machine, by node ports. `present` are the shared chains that there are.
std::vector<std::string> lead(const NftOptions& options, const std::vector<Among>& present);
std::vector<std::string> lead_node_ports(const std::vector<Among>& present);

/// The chains that the kernel calls; after everything that they name.
std::string render_hooks(const NftOptions& options);

}  // namespace tetrarch::agent::network
