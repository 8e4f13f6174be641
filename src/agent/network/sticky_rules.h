// SPDX-License-Identifier: Apache-2.0
// Services that stick to their clients (sessionAffinity: ClientIP) in the packet filter. One map
// for each protocol has the endpoint of each client of each service. What leads to a service asks
// it first; a new connection that was led through an endpoint of such a service writes it, or makes
// it last as long again. Which endpoints those are, and how long, are elements of sets, one for
// each time that some service names, so a change is elements here as well. Pure.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/network/nft_book.h"

namespace tetrarch::agent::network {

// Ours: a client too many is served like one of a service that does not stick. A full map takes
// 15 MB of the kernel's memory.
inline constexpr std::size_t kStickyClientsMax = 131072;

/// The chain that each new connection passes that was led anywhere.
inline constexpr const char* kRecall = "recall";

/// What remembers the clients of services of one protocol, reached one way, that stick for as long.
struct Recall {
  bool is_inside = true;  ///< by an address of the service; else by a node port
  std::string protocol;
  std::int64_t seconds = 0;
  auto operator<=>(const Recall&) const = default;

  /// Of the set of (address, port, endpoint), without the address for node ports, and of the chain
  /// for connections that are in it: "recall_inside_tcp_10800".
  std::string name() const;
};

/// (client, address that it asked, port) to endpoint; filled by packets.
NamedSet client_map(std::string_view protocol);
NamedSet set_of(const Recall& recall);

/// A client that is in the map goes where it went before.
std::string lead_known_client(std::string_view protocol);
std::vector<std::string> remember(const Recall& recall);
/// What kRecall has, if those are all.
std::vector<std::string> recall_all(const std::vector<Recall>& present);

}  // namespace tetrarch::agent::network
