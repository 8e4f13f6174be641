// SPDX-License-Identifier: Apache-2.0
#include "agent/network/netlink.h"

#include <cstring>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <netlink/errno.h>
#include <netlink/route/link/vxlan.h>

namespace tetrarch::agent::network {

Error netlink_error(std::string_view what, int code) {
  return {Code::internal, fmt::format("{}: {}", what, nl_geterror(code))};
}

Result<Socket> connect_socket(int protocol) {
  Socket socket(nl_socket_alloc());
  if (const int code = nl_connect(socket.get(), protocol); code < 0) {
    return netlink_error("netlink", code);
  }
  return socket;
}

Message netfilter_message(int kind, int flags) {
  const nfgenmsg family = {.nfgen_family = AF_INET, .version = NFNETLINK_V0, .res_id = 0};
  Message message(nlmsg_alloc_simple(kind, flags));
  nlmsg_append(message.get(), const_cast<nfgenmsg*>(&family), sizeof(family), NLMSG_ALIGNTO);
  return message;
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

std::uint32_t number_of(nl_addr* address) {
  std::uint32_t value = 0;
  if (address != nullptr && nl_addr_get_len(address) == sizeof(value)) {
    std::memcpy(&value, nl_addr_get_binary_addr(address), sizeof(value));
  }
  return ntohl(value);
}

bool is_vxlan_of(rtnl_link* link, std::uint32_t vni, std::uint32_t own_address) {
  std::uint32_t its_vni = 0;
  nl_addr* raw = nullptr;
  if (rtnl_link_is_vxlan(link) == 0 || rtnl_link_vxlan_get_id(link, &its_vni) < 0 ||
      rtnl_link_vxlan_get_local(link, &raw) < 0) {
    return false;
  }
  const NlAddress local(raw);
  return its_vni == vni && number_of(raw) == own_address;
}

}  // namespace tetrarch::agent::network
