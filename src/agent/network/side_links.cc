// SPDX-License-Identifier: Apache-2.0
#include "agent/network/side_links.h"

#include <algorithm>
#include <fcntl.h>
#include <sched.h>
#include <set>
#include <unistd.h>

#include <fmt/format.h>
#include <linux/neighbour.h>
#include <net/if.h>
#include <netlink/errno.h>
#include <netlink/route/addr.h>
#include <netlink/route/link/bridge.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/link/vxlan.h>
#include <netlink/route/neighbour.h>

#include "agent/network/netlink.h"
#include "base/check.h"

namespace tetrarch::agent::network {
namespace {

/// Frames for everybody, and for whom no place is known, go to who has this entry.
constexpr const char* kEverybody = "00:00:00:00:00:00";

using Address = std::unique_ptr<rtnl_addr, PutBack<rtnl_addr_put>>;
using Neighbour = std::unique_ptr<rtnl_neigh, PutBack<rtnl_neigh_put>>;

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}

  ~Descriptor() {
    if (number_ >= 0) {
      ::close(number_);
    }
  }

  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int number() const { return number_; }

 private:
  int number_;
};

Status outcome(const std::string& what, int code) {
  return code < 0 ? Status(netlink_error(what, code)) : ok();
}

Result<Link> link_of(nl_sock* socket, const std::string& name) {
  Link out = find_link(socket, name);
  if (!out) {
    return Error{Code::internal, fmt::format("{} is not there after it was made", name)};
  }
  return out;
}

Status add_address(nl_sock* socket, int link, const std::string& text) {
  TRY(const auto local, parse_address(text, AF_INET));
  const Address address(rtnl_addr_alloc());
  rtnl_addr_set_ifindex(address.get(), link);
  rtnl_addr_set_local(address.get(), local.get());
  const int code = rtnl_addr_add(socket, address.get(), 0);
  return code == -NLE_EXIST ? ok() : outcome(fmt::format("adding address {}", text), code);
}

/// Up, with this size, and in this bridge (0: in none).
Status settle(nl_sock* socket, rtnl_link* link, int mtu, int bridge) {
  const Link change(rtnl_link_alloc());
  rtnl_link_set_flags(change.get(), IFF_UP);
  if (static_cast<int>(rtnl_link_get_mtu(link)) != mtu) {
    rtnl_link_set_mtu(change.get(), static_cast<unsigned>(mtu));
  }
  if (bridge != 0 && rtnl_link_get_master(link) != bridge) {
    rtnl_link_set_master(change.get(), bridge);
  }
  return outcome(fmt::format("setting {} up", rtnl_link_get_name(link)),
                 rtnl_link_change(socket, link, change.get(), 0));
}

Result<int> index_of(nl_sock* socket, const std::string& name) {
  TRY(const auto link, link_of(socket, name));
  return rtnl_link_get_ifindex(link.get());
}

Status make_tunnel(nl_sock* socket, const SideTunnel& wanted) {
  const Link link(rtnl_link_vxlan_alloc());
  rtnl_link_set_name(link.get(), wanted.name.c_str());
  rtnl_link_set_mtu(link.get(), static_cast<unsigned>(wanted.mtu));
  TRY(const auto local, parse_address(ipv4_text(wanted.own_address), AF_INET));
  rtnl_link_vxlan_set_id(link.get(), wanted.vni);
  rtnl_link_vxlan_set_local(link.get(), local.get());
  rtnl_link_vxlan_set_port(link.get(), kVxlanPort);
  // Who is behind which machine it learns from what comes: nobody has to be told.
  rtnl_link_vxlan_set_learning(link.get(), 1);
  return outcome(fmt::format("making {}", wanted.name),
                 rtnl_link_add(socket, link.get(), NLM_F_CREATE | NLM_F_EXCL));
}

Result<Neighbour> everybody_at(int link, std::uint32_t machine) {
  TRY(const auto hardware, parse_address(kEverybody, AF_LLC));
  TRY(const auto to, parse_address(ipv4_text(machine), AF_INET));
  Neighbour out(rtnl_neigh_alloc());
  rtnl_neigh_set_ifindex(out.get(), link);
  rtnl_neigh_set_lladdr(out.get(), hardware.get());
  rtnl_neigh_set_state(out.get(), NUD_PERMANENT | NUD_NOARP);
  rtnl_neigh_set_dst(out.get(), to.get());
  rtnl_neigh_set_family(out.get(), AF_BRIDGE);  // after the address, which sets its own
  rtnl_neigh_set_flags(out.get(), NTF_SELF);
  return out;
}

/// Those that frames for everybody go to already. What leads to machines that are not `wanted`,
/// also by what was learned of their pods, is taken away.
Result<std::set<std::uint32_t>> keep_only(nl_sock* socket,
                                          int link,
                                          const std::set<std::uint32_t>& wanted) {
  nl_cache* raw = nullptr;
  if (const int code = rtnl_neigh_alloc_cache_flags(socket, &raw, NL_CACHE_AF_ITER); code < 0) {
    return netlink_error("reading neighbours", code);
  }
  const Cache cache(raw);
  TRY(const auto everybody, parse_address(kEverybody, AF_LLC));
  std::set<std::uint32_t> out;
  for (auto* at = nl_cache_get_first(raw); at != nullptr; at = nl_cache_get_next(at)) {
    auto* neighbour = reinterpret_cast<rtnl_neigh*>(at);
    const auto machine = number_of(rtnl_neigh_get_dst(neighbour));
    if (rtnl_neigh_get_ifindex(neighbour) != link || machine == 0 ||
        rtnl_neigh_get_family(neighbour) != AF_BRIDGE) {
      continue;
    }
    if (!wanted.contains(machine)) {
      const int code = rtnl_neigh_delete(socket, neighbour, 0);
      TRY_STATUS(code == -NLE_OBJ_NOTFOUND
                     ? ok()
                     : outcome(fmt::format("leading no more to {}", ipv4_text(machine)), code));
    } else if (auto* hardware = rtnl_neigh_get_lladdr(neighbour);
               hardware != nullptr && nl_addr_cmp(hardware, everybody.get()) == 0) {
      out.insert(machine);
    }
  }
  return out;
}

Status sync_machines(nl_sock* socket, int link, const std::vector<std::uint32_t>& machines) {
  const std::set<std::uint32_t> wanted(machines.begin(), machines.end());
  TRY(const auto present, keep_only(socket, link, wanted));
  for (const auto machine : wanted) {
    if (present.contains(machine)) {
      continue;
    }
    TRY(const auto entry, everybody_at(link, machine));
    // Appended: several machines have the same address of everybody.
    TRY_STATUS(outcome(fmt::format("leading to {}", ipv4_text(machine)),
                       rtnl_neigh_add(socket, entry.get(), NLM_F_CREATE | NLM_F_APPEND)));
  }
  return ok();
}

/// A netlink socket of another network namespace; the thread is back in its own afterwards.
Result<Socket> socket_in(const Descriptor& there) {
  const Descriptor here(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (here.number() < 0 || ::setns(there.number(), CLONE_NEWNET) != 0) {
    return Error{Code::unavailable,
                 fmt::format("cannot enter the pod's network: {}", std::strerror(errno))};
  }
  auto socket = connect_socket();
  // The thread goes on to work for others: in the pod's network it must not.
  const bool is_back = ::setns(here.number(), CLONE_NEWNET) == 0;
  CHECK(is_back);
  return socket;
}

bool has_hardware(rtnl_link* link, nl_addr* hardware) {
  auto* own = rtnl_link_get_addr(link);
  return own != nullptr && nl_addr_cmp(own, hardware) == 0;
}

Status make_veth(nl_sock* socket, const SideVeth& wanted, int there, nl_addr* hardware) {
  const Link link(rtnl_link_veth_alloc());
  rtnl_link_set_name(link.get(), wanted.name.c_str());
  auto* peer = rtnl_link_veth_get_peer(link.get());
  rtnl_link_set_name(peer, wanted.interface.c_str());
  rtnl_link_set_ns_fd(peer, there);
  rtnl_link_set_addr(peer, hardware);
  rtnl_link_set_mtu(peer, static_cast<unsigned>(wanted.mtu));
  rtnl_link_set_mtu(link.get(), static_cast<unsigned>(wanted.mtu));
  const int code = rtnl_link_add(socket, link.get(), NLM_F_CREATE | NLM_F_EXCL);
  rtnl_link_put(peer);
  return outcome(fmt::format("making {}", wanted.name), code);
}

}  // namespace

Status ensure_side_bridge(const SideBridge& wanted) {
  TRY(const auto socket, connect_socket());
  if (!find_link(socket.get(), wanted.name)) {
    const Link link(rtnl_link_bridge_alloc());
    rtnl_link_set_name(link.get(), wanted.name.c_str());
    TRY_STATUS(outcome(fmt::format("making {}", wanted.name),
                       rtnl_link_add(socket.get(), link.get(), NLM_F_CREATE | NLM_F_EXCL)));
  }
  TRY(const auto link, link_of(socket.get(), wanted.name));
  TRY_STATUS(settle(socket.get(), link.get(), wanted.mtu, 0));
  return wanted.address.empty()
             ? ok()
             : add_address(socket.get(), rtnl_link_get_ifindex(link.get()), wanted.address);
}

Status ensure_side_tunnel(const SideTunnel& wanted) {
  TRY(const auto socket, connect_socket());
  if (const Link present = find_link(socket.get(), wanted.name);
      present && !is_vxlan_of(present.get(), wanted.vni, wanted.own_address)) {
    TRY_STATUS(remove_link(wanted.name));
  }
  if (!find_link(socket.get(), wanted.name)) {
    TRY_STATUS(make_tunnel(socket.get(), wanted));
  }
  TRY(const auto bridge, index_of(socket.get(), wanted.bridge));
  TRY(const auto link, link_of(socket.get(), wanted.name));
  TRY_STATUS(settle(socket.get(), link.get(), wanted.mtu, bridge));
  return sync_machines(socket.get(), rtnl_link_get_ifindex(link.get()), wanted.machines);
}

Status ensure_side_veth(const SideVeth& wanted) {
  const Descriptor there(::open(wanted.pod_network.c_str(), O_RDONLY | O_CLOEXEC));
  if (there.number() < 0) {
    return Error{Code::not_found,
                 fmt::format("{}: {}", wanted.pod_network.string(), std::strerror(errno))};
  }
  TRY(const auto hardware, parse_address(wanted.hardware, AF_LLC));
  TRY(const auto socket, connect_socket());
  TRY(const auto inside, socket_in(there));
  const Link present = find_link(inside.get(), wanted.interface);
  if (present && !has_hardware(present.get(), hardware.get())) {
    return Error{Code::conflict,
                 fmt::format("the pod has another interface called {}", wanted.interface)};
  }
  if (!present) {
    TRY_STATUS(remove_link(wanted.name));  // of a former pod network of this pod
    TRY_STATUS(make_veth(socket.get(), wanted, there.number(), hardware.get()));
  }
  TRY(const auto bridge, index_of(socket.get(), wanted.bridge));
  TRY(const auto outer, link_of(socket.get(), wanted.name));
  TRY_STATUS(settle(socket.get(), outer.get(), wanted.mtu, bridge));
  TRY(const auto inner, link_of(inside.get(), wanted.interface));
  TRY_STATUS(settle(inside.get(), inner.get(), wanted.mtu, 0));
  return add_address(inside.get(), rtnl_link_get_ifindex(inner.get()), wanted.address);
}

Result<std::vector<std::string>> links_named(const std::string& prefix) {
  TRY(const auto socket, connect_socket());
  nl_cache* raw = nullptr;
  if (const int code = rtnl_link_alloc_cache(socket.get(), AF_UNSPEC, &raw); code < 0) {
    return netlink_error("reading links", code);
  }
  const Cache cache(raw);
  std::vector<std::string> out;
  for (auto* at = nl_cache_get_first(raw); at != nullptr; at = nl_cache_get_next(at)) {
    const std::string name = rtnl_link_get_name(reinterpret_cast<rtnl_link*>(at));
    if (name.starts_with(prefix)) {
      out.push_back(name);
    }
  }
  return out;
}

}  // namespace tetrarch::agent::network
