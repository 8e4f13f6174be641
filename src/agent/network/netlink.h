// SPDX-License-Identifier: Apache-2.0
// What the files that speak netlink share: owners of libnl's objects, and errors. Blocking.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <linux/netlink.h>
#include <netlink/addr.h>
#include <netlink/cache.h>
#include <netlink/msg.h>
#include <netlink/route/link.h>
#include <netlink/socket.h>

#include "base/result.h"

namespace tetrarch::agent::network {

template <auto put>
struct PutBack {
  void operator()(auto* object) const { put(object); }
};

using Socket = std::unique_ptr<nl_sock, PutBack<nl_socket_free>>;
using Link = std::unique_ptr<rtnl_link, PutBack<rtnl_link_put>>;
using NlAddress = std::unique_ptr<nl_addr, PutBack<nl_addr_put>>;
using Message = std::unique_ptr<nl_msg, PutBack<nlmsg_free>>;
using Cache = std::unique_ptr<nl_cache, PutBack<nl_cache_free>>;

// Source: RFC 7348, 5.
inline constexpr std::uint16_t kVxlanPort = 4789;

Error netlink_error(std::string_view what, int code);
Result<Socket> connect_socket(int protocol = NETLINK_ROUTE);
/// About IPv4; `kind` with its subsystem of netfilter in the upper eight bits.
Message netfilter_message(int kind, int flags);
/// Null: there is none of that name.
Link find_link(nl_sock* socket, const std::string& name);
Status bring_up(nl_sock* socket, rtnl_link* link);
/// No such link is success.
Status remove_link(const std::string& name);
/// "10.42.0.0/24", or with family AF_LLC "0a:58:01:02:03:04".
Result<NlAddress> parse_address(const std::string& text, int family);
/// Of IPv4; 0 for what is none.
std::uint32_t number_of(nl_addr* address);
/// Whether it is a VXLAN device of that network, from that address of this machine.
bool is_vxlan_of(rtnl_link* link, std::uint32_t vni, std::uint32_t own_address);

}  // namespace tetrarch::agent::network
