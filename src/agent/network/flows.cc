// SPDX-License-Identifier: Apache-2.0
#include "agent/network/flows.h"

#include <cerrno>
#include <cstring>
#include <ifaddrs.h>
#include <memory>
#include <set>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include "agent/network/netlink.h"

namespace tetrarch::agent::network {
namespace {

struct TrackedFlow {
  Flow flow;
  std::string key;  ///< the bytes of its attribute CTA_TUPLE_ORIG, which name it
};

/// One direction of a flow.
struct Tuple {
  std::uint32_t from = 0;
  std::uint32_t to = 0;
  std::uint16_t from_port = 0;
  std::uint16_t to_port = 0;
  bool is_datagram = false;
};

Tuple read_tuple(nlattr* attribute) {
  Tuple out;
  nlattr* parts[CTA_TUPLE_MAX + 1] = {};
  nlattr* ip[CTA_IP_MAX + 1] = {};
  nlattr* proto[CTA_PROTO_MAX + 1] = {};
  if (attribute == nullptr || nla_parse_nested(parts, CTA_TUPLE_MAX, attribute, nullptr) < 0 ||
      parts[CTA_TUPLE_IP] == nullptr || parts[CTA_TUPLE_PROTO] == nullptr ||
      nla_parse_nested(ip, CTA_IP_MAX, parts[CTA_TUPLE_IP], nullptr) < 0 ||
      nla_parse_nested(proto, CTA_PROTO_MAX, parts[CTA_TUPLE_PROTO], nullptr) < 0) {
    return out;
  }
  const bool is_whole = ip[CTA_IP_V4_SRC] != nullptr && ip[CTA_IP_V4_DST] != nullptr &&
                        proto[CTA_PROTO_NUM] != nullptr && proto[CTA_PROTO_SRC_PORT] != nullptr &&
                        proto[CTA_PROTO_DST_PORT] != nullptr;
  if (is_whole) {
    out.from = ntohl(nla_get_u32(ip[CTA_IP_V4_SRC]));
    out.to = ntohl(nla_get_u32(ip[CTA_IP_V4_DST]));
    out.from_port = ntohs(nla_get_u16(proto[CTA_PROTO_SRC_PORT]));
    out.to_port = ntohs(nla_get_u16(proto[CTA_PROTO_DST_PORT]));
    out.is_datagram = nla_get_u8(proto[CTA_PROTO_NUM]) == IPPROTO_UDP;
  }
  return out;
}

int take_flow(nl_msg* message, void* into) {
  nlattr* attributes[CTA_MAX + 1] = {};
  if (nlmsg_parse(nlmsg_hdr(message), sizeof(nfgenmsg), attributes, CTA_MAX, nullptr) < 0) {
    return NL_SKIP;
  }
  const auto asked = read_tuple(attributes[CTA_TUPLE_ORIG]);
  const auto answer = read_tuple(attributes[CTA_TUPLE_REPLY]);
  if (asked.is_datagram && answer.is_datagram) {
    const auto* bytes = static_cast<const char*>(nla_data(attributes[CTA_TUPLE_ORIG]));
    const auto size = static_cast<std::size_t>(nla_len(attributes[CTA_TUPLE_ORIG]));
    static_cast<std::vector<TrackedFlow>*>(into)->push_back(
        {{asked.to, asked.to_port, answer.from, answer.from_port, false},
         std::string(bytes, size)});
  }
  return NL_OK;
}

Error failed(std::string_view what, int code) {
  return {Code::internal, fmt::format("connection tracking: {}: {}", what, nl_geterror(code))};
}

Result<std::vector<TrackedFlow>> list_flows(nl_sock* socket) {
  std::vector<TrackedFlow> out;
  nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, take_flow, &out);
  const auto question =
      netfilter_message(NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, NLM_F_DUMP);
  int code = nl_send_auto(socket, question.get());
  if (code >= 0) {
    code = nl_recvmsgs_default(socket);
  }
  nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_DEFAULT, nullptr, nullptr);
  if (code < 0) {
    return failed("listing flows", code);
  }
  return out;
}

Status remove_flow(nl_sock* socket, const TrackedFlow& tracked) {
  auto order = netfilter_message(NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE, 0);
  nla_put(order.get(),
          CTA_TUPLE_ORIG | NLA_F_NESTED,
          static_cast<int>(tracked.key.size()),
          tracked.key.data());
  const int code = nl_send_sync(socket, order.release());  // frees the message
  const bool is_gone = code >= 0 || code == -NLE_OBJ_NOTFOUND;
  return is_gone ? ok() : Status(failed("removing a flow", code));
}

/// The IPv4 addresses of this machine's interfaces.
Result<std::set<std::uint32_t>> own_addresses() {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) {
    return Error{Code::internal,
                 fmt::format("cannot list this machine's addresses: {}", std::strerror(errno))};
  }
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> list(first, &::freeifaddrs);
  std::set<std::uint32_t> out;
  for (const auto* at = list.get(); at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr != nullptr && at->ifa_addr->sa_family == AF_INET) {
      sockaddr_in address = {};
      std::memcpy(&address, at->ifa_addr, sizeof(address));
      out.insert(ntohl(address.sin_addr.s_addr));
    }
  }
  return out;
}

bool is_own(const std::set<std::uint32_t>& own, std::uint32_t address) {
  constexpr std::uint32_t kLoopback = 127;  // Source: RFC 1122, 3.2.1.3: 127/8 never leaves a host
  return address >> 24U == kLoopback || own.contains(address);
}

}  // namespace

bool is_stale(const Flow& flow, const ServiceRules& rules) {
  const auto asked = ipv4_text(flow.asked);
  if (asked == rules.options().dns_address) {
    return false;
  }
  if (const auto* const port = rules.at(asked, "udp", flow.asked_port)) {
    return !has_target(port->behind(asked), flow.answering, flow.answering_port);
  }
  // Untranslated it is one that began before there was an endpoint, unless it is a conversation
  // with another host on that port.
  const bool is_translated = flow.asked != flow.answering || flow.asked_port != flow.answering_port;
  if (is_translated || flow.is_to_this_machine) {
    if (const auto* const port = rules.at_node_port("udp", flow.asked_port)) {
      return !has_target(port->outside(), flow.answering, flow.answering_port);
    }
  }
  return is_translated && rules.options().service_cidr.contains(flow.asked);
}

Status forget_stale_flows(const ServiceRules& rules) {
  TRY(const auto socket, connect_socket(NETLINK_NETFILTER));
  TRY(auto flows, list_flows(socket.get()));
  Status out = ok();
  TRY(const auto own, own_addresses());
  for (auto& tracked : flows) {
    tracked.flow.is_to_this_machine = is_own(own, tracked.flow.asked);
    if (is_stale(tracked.flow, rules)) {
      auto removed = remove_flow(socket.get(), tracked);
      out = removed.ok() ? std::move(out) : std::move(removed);
    }
  }
  return out;
}

}  // namespace tetrarch::agent::network
