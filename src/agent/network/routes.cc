// SPDX-License-Identifier: Apache-2.0
#include "agent/network/routes.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/errno.h>
#include <netlink/route/addr.h>
#include <netlink/route/link/vxlan.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/route.h>

#include "agent/network/netlink.h"

namespace tetrarch::agent::network {
namespace {

// Ours: a number of the user's range, by which our routes are told from others' (`ip route` prints
// it as "proto 116").
constexpr std::uint8_t kProtocol = 116;
// Source: RFC 7348, 5: 50 bytes of outer headers over IPv4.
constexpr int kVxlanHeaders = 50;

using Route = std::unique_ptr<rtnl_route, PutBack<rtnl_route_put>>;
using Neighbour = std::unique_ptr<rtnl_neigh, PutBack<rtnl_neigh_put>>;

/// Where a route leads.
struct Hop {
  std::uint32_t gateway = 0;
  int link = 0;
  bool operator==(const Hop&) const = default;
};

using Hops = std::map<std::uint32_t, std::pair<int, Hop>>;  // by base of the range: bits, hop

/// Of the node's device: from its range, so that nobody has to be told.
std::string hardware_address(const Ipv4Range& pods) {
  return fmt::format("0e:58:{:02x}:{:02x}:{:02x}:{:02x}",
                     pods.base >> 24,
                     (pods.base >> 16) & 255,
                     (pods.base >> 8) & 255,
                     pods.base & 255);
}

Ipv4Range range_around(std::uint32_t address, int bits) {
  const auto mask = bits == 0 ? 0U : ~0U << (32 - bits);
  return {address & mask, bits};
}

Hop hop_of(rtnl_route* route) {
  auto* next = rtnl_route_nexthop_n(route, 0);
  return next == nullptr
             ? Hop{}
             : Hop{number_of(rtnl_route_nh_get_gateway(next)), rtnl_route_nh_get_ifindex(next)};
}

/// The routes to pods that we made.
Result<Hops> read_hops(nl_sock* socket, const Ipv4Range& cluster) {
  nl_cache* raw = nullptr;
  if (const int code = rtnl_route_alloc_cache(socket, AF_INET, 0, &raw); code < 0) {
    return netlink_error("reading routes", code);
  }
  const Cache cache(raw);
  Hops out;
  for (auto* at = nl_cache_get_first(raw); at != nullptr; at = nl_cache_get_next(at)) {
    auto* route = reinterpret_cast<rtnl_route*>(at);
    auto* range = rtnl_route_get_dst(route);
    const auto base = number_of(range);
    if (rtnl_route_get_protocol(route) == kProtocol && cluster.contains(base)) {
      out[base] = {static_cast<int>(nl_addr_get_prefixlen(range)), hop_of(route)};
    }
  }
  return out;
}

Result<Route> make_route(const Ipv4Range& pods, const Hop& hop) {
  TRY(const auto range, parse_address(pods.text(), AF_INET));
  Route route(rtnl_route_alloc());
  rtnl_route_set_family(route.get(), AF_INET);
  rtnl_route_set_table(route.get(), RT_TABLE_MAIN);
  rtnl_route_set_protocol(route.get(), kProtocol);
  rtnl_route_set_scope(route.get(), RT_SCOPE_UNIVERSE);
  rtnl_route_set_type(route.get(), RTN_UNICAST);
  rtnl_route_set_dst(route.get(), range.get());
  TRY(const auto gateway, parse_address(ipv4_text(hop.gateway), AF_INET));
  auto* next = rtnl_route_nh_alloc();
  rtnl_route_nh_set_gateway(next, gateway.get());
  if (hop.link != 0) {
    rtnl_route_nh_set_ifindex(next, hop.link);
    // No address of ours says that the gateway is there.
    rtnl_route_nh_set_flags(next, RTNH_F_ONLINK);
  }
  rtnl_route_add_nexthop(route.get(), next);  // takes it
  return route;
}

Status add_route(nl_sock* socket, const Ipv4Range& pods, const Hop& hop) {
  TRY(const auto route, make_route(pods, hop));
  const int code = rtnl_route_add(socket, route.get(), NLM_F_CREATE | NLM_F_REPLACE);
  return code < 0
             ? Status(netlink_error(
                   fmt::format("route to {} by {}", pods.text(), ipv4_text(hop.gateway)), code))
             : ok();
}

Status remove_route(nl_sock* socket, const Ipv4Range& pods, const Hop& hop) {
  TRY(const auto route, make_route(pods, hop));
  const int code = rtnl_route_delete(socket, route.get(), 0);
  const bool is_gone = code >= 0 || code == -NLE_OBJ_NOTFOUND || code == -NLE_NODEV;
  return is_gone
             ? ok()
             : Status(netlink_error(fmt::format("removing the route to {}", pods.text()), code));
}

Status add_neighbour(nl_sock* socket, rtnl_neigh* neighbour, const Ipv4Range& pods) {
  const int code = rtnl_neigh_add(socket, neighbour, NLM_F_CREATE | NLM_F_REPLACE);
  return code < 0 ? Status(netlink_error(fmt::format("neighbour of {}", pods.text()), code)) : ok();
}

/// The device of the other node has the first address of its range; frames for it go to its
/// machine.
Status add_vxlan_neighbours(nl_sock* socket, int link, const PeerRoute& peer) {
  TRY(const auto hardware, parse_address(hardware_address(peer.pods), AF_LLC));
  TRY(const auto device, parse_address(ipv4_text(peer.pods.base), AF_INET));
  TRY(const auto machine, parse_address(ipv4_text(peer.address), AF_INET));
  const Neighbour resolved(rtnl_neigh_alloc());
  const Neighbour forwarded(rtnl_neigh_alloc());
  for (auto* neighbour : {resolved.get(), forwarded.get()}) {
    rtnl_neigh_set_ifindex(neighbour, link);
    rtnl_neigh_set_lladdr(neighbour, hardware.get());
    rtnl_neigh_set_state(neighbour, NUD_PERMANENT);
  }
  rtnl_neigh_set_dst(resolved.get(), device.get());
  rtnl_neigh_set_dst(forwarded.get(), machine.get());
  rtnl_neigh_set_family(forwarded.get(), AF_BRIDGE);  // after the address, which sets its own
  rtnl_neigh_set_flags(forwarded.get(), NTF_SELF);
  TRY_STATUS(add_neighbour(socket, resolved.get(), peer.pods));
  return add_neighbour(socket, forwarded.get(), peer.pods);
}

using Forwards = std::map<std::string, std::uint32_t>;  // hardware address to machine

/// Both kinds of the device's neighbours.
template <class Function>
void for_neighbours(nl_sock* socket, int link, const Function& function) {
  nl_cache* raw = nullptr;
  if (rtnl_neigh_alloc_cache_flags(socket, &raw, NL_CACHE_AF_ITER) < 0) {
    return;  // they are all set again then
  }
  const Cache cache(raw);
  for (auto* at = nl_cache_get_first(raw); at != nullptr; at = nl_cache_get_next(at)) {
    auto* neighbour = reinterpret_cast<rtnl_neigh*>(at);
    auto* hardware = rtnl_neigh_get_lladdr(neighbour);
    if (rtnl_neigh_get_ifindex(neighbour) == link && hardware != nullptr) {
      char text[64] = "";
      function(neighbour, std::string(nl_addr2str(hardware, text, sizeof(text))));
    }
  }
}

Forwards read_forwards(nl_sock* socket, int link) {
  Forwards out;
  for_neighbours(socket, link, [&](rtnl_neigh* neighbour, const std::string& hardware) {
    if (rtnl_neigh_get_family(neighbour) == AF_BRIDGE) {
      out[hardware] = number_of(rtnl_neigh_get_dst(neighbour));
    }
  });
  return out;
}

/// What leads to machines that are no peers any more. Without a route it harms nobody, so that a
/// failure here is none.
void remove_neighbours(nl_sock* socket, int link, const std::set<std::string>& wanted) {
  for_neighbours(socket, link, [&](rtnl_neigh* neighbour, const std::string& hardware) {
    if (!wanted.contains(hardware)) {
      rtnl_neigh_delete(socket, neighbour, 0);
    }
  });
}

int mtu_of_vxlan(const RouteOptions& options, const std::vector<Segment>& segments) {
  int mtu = 1500;
  for (const auto& segment : segments) {
    if (segment.address == options.own_address) {
      mtu = segment.mtu;
    }
  }
  return mtu - kVxlanHeaders;
}

bool is_as_wanted(rtnl_link* link, const RouteOptions& options, int mtu) {
  return is_vxlan_of(link, options.vni, options.own_address) &&
         static_cast<int>(rtnl_link_get_mtu(link)) == mtu;
}

Status make_vxlan(nl_sock* socket, const RouteOptions& options, int mtu) {
  const Link link(rtnl_link_vxlan_alloc());
  rtnl_link_set_name(link.get(), options.vxlan.c_str());
  rtnl_link_set_mtu(link.get(), static_cast<unsigned>(mtu));
  TRY(const auto hardware, parse_address(hardware_address(options.own_pods), AF_LLC));
  TRY(const auto local, parse_address(ipv4_text(options.own_address), AF_INET));
  rtnl_link_set_addr(link.get(), hardware.get());
  rtnl_link_vxlan_set_id(link.get(), options.vni);
  rtnl_link_vxlan_set_local(link.get(), local.get());
  rtnl_link_vxlan_set_port(link.get(), kVxlanPort);
  rtnl_link_vxlan_set_learning(link.get(), 0);
  const int code = rtnl_link_add(socket, link.get(), NLM_F_CREATE | NLM_F_EXCL);
  return code < 0 ? Status(netlink_error(fmt::format("making {}", options.vxlan), code)) : ok();
}

/// The device, up and with its address; its index.
Result<int> ensure_vxlan(nl_sock* socket,
                         const RouteOptions& options,
                         const std::vector<Segment>& segments) {
  const int mtu = mtu_of_vxlan(options, segments);
  Link link = find_link(socket, options.vxlan);
  if (link && !is_as_wanted(link.get(), options, mtu)) {
    rtnl_link_delete(socket, link.get());
    link.reset();
  }
  if (!link) {
    TRY_STATUS(make_vxlan(socket, options, mtu));
    link = find_link(socket, options.vxlan);
  }
  if (!link) {
    return Error{Code::internal, fmt::format("{} is not there after it was made", options.vxlan)};
  }
  TRY_STATUS(bring_up(socket, link.get()));
  const int index = rtnl_link_get_ifindex(link.get());
  TRY(const auto local, parse_address(ipv4_text(options.own_pods.base) + "/32", AF_INET));
  const std::unique_ptr<rtnl_addr, PutBack<rtnl_addr_put>> address(rtnl_addr_alloc());
  rtnl_addr_set_ifindex(address.get(), index);
  rtnl_addr_set_local(address.get(), local.get());
  if (const int code = rtnl_addr_add(socket, address.get(), 0); code < 0 && code != -NLE_EXIST) {
    return netlink_error(fmt::format("address of {}", options.vxlan), code);
  }
  return index;
}

/// Which interface a plain route leaves by; 0: the kernel knows.
int link_to(std::uint32_t address, const std::vector<Segment>& segments) {
  for (const auto& segment : segments) {
    if (segment.range.contains(address)) {
      return segment.link;
    }
  }
  return 0;
}

std::map<int, int> read_mtus(nl_sock* socket,
                             std::set<int>* ours,
                             const std::set<std::string>& names) {
  std::map<int, int> out;
  nl_cache* raw = nullptr;
  if (rtnl_link_alloc_cache(socket, AF_UNSPEC, &raw) < 0) {
    return out;
  }
  const Cache cache(raw);
  for (auto* at = nl_cache_get_first(raw); at != nullptr; at = nl_cache_get_next(at)) {
    auto* link = reinterpret_cast<rtnl_link*>(at);
    const int index = rtnl_link_get_ifindex(link);
    out[index] = static_cast<int>(rtnl_link_get_mtu(link));
    if (names.contains(rtnl_link_get_name(link)) ||
        (rtnl_link_get_flags(link) & IFF_LOOPBACK) != 0) {
      ours->insert(index);
    }
  }
  return out;
}

/// One call of sync_routes.
struct Sync {
  nl_sock* socket;
  const RouteOptions& options;
  const std::vector<Segment>& segments;
  int vxlan = 0;                          ///< index of the device; 0: nobody needs it
  Forwards forwards = {};                 ///< of the device, before
  Hops present = {};                      ///< before, without what has been put
  std::set<std::string> neighbours = {};  ///< hardware addresses that are wanted

  Status put(const PeerRoute& peer) {
    Hop hop{peer.address, link_to(peer.address, segments)};
    if (!peer.is_direct) {
      const auto hardware = hardware_address(peer.pods);
      const auto forward = forwards.find(hardware);
      if (forward == forwards.end() || forward->second != peer.address) {
        TRY_STATUS(add_vxlan_neighbours(socket, vxlan, peer));
      }
      neighbours.insert(hardware);
      hop = {peer.pods.base, vxlan};
    }
    const auto known = present.find(peer.pods.base);
    if (known == present.end() || known->second.first != peer.pods.bits) {
      return add_route(socket, peer.pods, hop);
    }
    const Hop before = known->second.second;
    present.erase(known);
    const bool is_same =
        before.gateway == hop.gateway && (hop.link == 0 || before.link == hop.link);
    return is_same ? ok() : add_route(socket, peer.pods, hop);
  }
};

}  // namespace

Result<std::vector<Segment>> read_segments(const std::vector<std::string>& ours) {
  TRY(const auto socket, connect_socket());
  std::set<int> left_out;
  const auto mtus = read_mtus(socket.get(), &left_out, {ours.begin(), ours.end()});
  nl_cache* raw = nullptr;
  if (const int code = rtnl_addr_alloc_cache(socket.get(), &raw); code < 0) {
    return netlink_error("reading addresses", code);
  }
  const Cache cache(raw);
  std::vector<Segment> out;
  for (auto* at = nl_cache_get_first(raw); at != nullptr; at = nl_cache_get_next(at)) {
    auto* address = reinterpret_cast<rtnl_addr*>(at);
    const int link = rtnl_addr_get_ifindex(address);
    const auto mtu = mtus.find(link);
    if (rtnl_addr_get_family(address) != AF_INET || left_out.contains(link) || mtu == mtus.end()) {
      continue;
    }
    const auto own = number_of(rtnl_addr_get_local(address));
    out.push_back({range_around(own, rtnl_addr_get_prefixlen(address)), own, link, mtu->second});
  }
  return out;
}

Status sync_routes(const RouteOptions& options,
                   const std::vector<PeerRoute>& peers,
                   const std::vector<Segment>& segments) {
  TRY(const auto socket, connect_socket());
  Sync sync{socket.get(), options, segments};
  if (!std::ranges::all_of(peers, [](const PeerRoute& peer) { return peer.is_direct; })) {
    TRY(sync.vxlan, ensure_vxlan(socket.get(), options, segments));
    sync.forwards = read_forwards(socket.get(), sync.vxlan);
  }
  TRY(sync.present, read_hops(socket.get(), options.cluster_pods));
  for (const auto& peer : peers) {
    TRY_STATUS(sync.put(peer));
  }
  for (const auto& [base, route] : sync.present) {
    TRY_STATUS(remove_route(socket.get(), {base, route.first}, route.second));
  }
  if (sync.vxlan == 0) {
    return remove_link(options.vxlan);
  }
  remove_neighbours(socket.get(), sync.vxlan, sync.neighbours);
  return ok();
}

Status remove_routes(const std::string& vxlan, const Ipv4Range& cluster_pods) {
  TRY(const auto socket, connect_socket());
  TRY(const auto present, read_hops(socket.get(), cluster_pods));
  Status outcome = ok();
  for (const auto& [base, route] : present) {
    const auto removed = remove_route(socket.get(), {base, route.first}, route.second);
    outcome = removed.ok() ? outcome : removed;
  }
  const auto device = remove_link(vxlan);
  return outcome.ok() ? device : outcome;
}

}  // namespace tetrarch::agent::network
