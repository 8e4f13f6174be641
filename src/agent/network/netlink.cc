// SPDX-License-Identifier: Apache-2.0
#include "agent/network/netlink.h"

#include <fmt/format.h>
#include <net/if.h>
#include <netlink/errno.h>

namespace tetrarch::agent::network {

Error netlink_error(std::string_view what, int code) {
  return {Code::internal, fmt::format("{}: {}", what, nl_geterror(code))};
}

Result<Socket> connect_socket() {
  Socket socket(nl_socket_alloc());
  if (const int code = nl_connect(socket.get(), NETLINK_ROUTE); code < 0) {
    return netlink_error("netlink", code);
  }
  return socket;
}

Link find_link(nl_sock* socket, const std::string& name) {
  rtnl_link* found = nullptr;
  rtnl_link_get_kernel(socket, 0, name.c_str(), &found);
  return Link(found);
}

Status bring_up(nl_sock* socket, rtnl_link* link) {
  const Link change(rtnl_link_alloc());
  rtnl_link_set_flags(change.get(), IFF_UP);
  const int code = rtnl_link_change(socket, link, change.get(), 0);
  return code < 0
             ? Status(netlink_error(fmt::format("setting {} up", rtnl_link_get_name(link)), code))
             : ok();
}

Status remove_link(const std::string& name) {
  TRY(const auto socket, connect_socket());
  const Link link = find_link(socket.get(), name);
  if (!link) {
    return ok();
  }
  const int code = rtnl_link_delete(socket.get(), link.get());
  return code < 0 ? Status(netlink_error(fmt::format("removing {}", name), code)) : ok();
}

Result<NlAddress> parse_address(const std::string& text, int family) {
  nl_addr* parsed = nullptr;
  if (const int code = nl_addr_parse(text.c_str(), family, &parsed); code < 0) {
    return netlink_error(fmt::format("address {}", text), code);
  }
  return NlAddress(parsed);
}

}  // namespace tetrarch::agent::network
