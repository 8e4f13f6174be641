// SPDX-License-Identifier: Apache-2.0
#include "agent/network/client_map.h"

#include <cstring>
#include <endian.h>

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

namespace tetrarch::agent::network {
namespace {

// Ours: who changes any table meanwhile ends the list, and that may happen again.
constexpr int kTries = 10;
// Source: Linux, netlink_recvmsg: a piece of a list is as large as what is received into, up to
// 32 KB; for each the kernel walks over what it gave before.
constexpr std::size_t kPieceBytes = 32768;

// As elements of a concatenation are laid out: each begins at a multiple of four bytes.
struct RawKey {
  std::uint32_t client;
  std::uint32_t asked;
  std::uint16_t asked_port;
  std::uint16_t filler;
};

struct RawData {
  std::uint32_t endpoint;
  std::uint16_t endpoint_port;
  std::uint16_t filler;
};

template <class T>
bool read_value(nlattr* attribute, T& out) {
  nlattr* parts[NFTA_DATA_MAX + 1] = {};
  if (attribute == nullptr || nla_parse_nested(parts, NFTA_DATA_MAX, attribute, nullptr) < 0 ||
      parts[NFTA_DATA_VALUE] == nullptr ||
      static_cast<std::size_t>(nla_len(parts[NFTA_DATA_VALUE])) != sizeof(T)) {
    return false;
  }
  std::memcpy(&out, nla_data(parts[NFTA_DATA_VALUE]), sizeof(T));
  return true;
}

/// What lasts for less than a second is left out.
void take_element(nlattr* attribute, std::vector<StickyClient>& out) {
  nlattr* parts[NFTA_SET_ELEM_MAX + 1] = {};
  RawKey key = {};
  RawData data = {};
  if (nla_parse_nested(parts, NFTA_SET_ELEM_MAX, attribute, nullptr) < 0 ||
      !read_value(parts[NFTA_SET_ELEM_KEY], key) || !read_value(parts[NFTA_SET_ELEM_DATA], data) ||
      parts[NFTA_SET_ELEM_EXPIRATION] == nullptr) {
    return;
  }
  constexpr std::uint64_t kMillisecondsEach = 1000;
  const auto left = be64toh(nla_get_u64(parts[NFTA_SET_ELEM_EXPIRATION])) / kMillisecondsEach;
  if (left > 0) {
    out.push_back({ntohl(key.client),
                   ntohl(key.asked),
                   ntohs(key.asked_port),
                   ntohl(data.endpoint),
                   ntohs(data.endpoint_port),
                   static_cast<std::int64_t>(left)});
  }
}

int take_elements(nl_msg* message, void* into) {
  nlattr* attributes[NFTA_SET_ELEM_LIST_MAX + 1] = {};
  if (nlmsg_parse(
          nlmsg_hdr(message), sizeof(nfgenmsg), attributes, NFTA_SET_ELEM_LIST_MAX, nullptr) < 0 ||
      attributes[NFTA_SET_ELEM_LIST_ELEMENTS] == nullptr) {
    return NL_SKIP;
  }
  nlattr* element = nullptr;
  int rest = 0;
  nla_for_each_nested(element, attributes[NFTA_SET_ELEM_LIST_ELEMENTS], rest) {
    take_element(element, *static_cast<std::vector<StickyClient>*>(into));
  }
  return NL_OK;
}

int list(nl_sock* socket,
         const std::string& table,
         const std::string& map,
         std::vector<StickyClient>& out) {
  out.clear();
  nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, take_elements, &out);
  const auto question =
      netfilter_message(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM, NLM_F_DUMP);
  nla_put_string(question.get(), NFTA_SET_ELEM_LIST_TABLE, table.c_str());
  nla_put_string(question.get(), NFTA_SET_ELEM_LIST_SET, map.c_str());
  const int code = nl_send_auto(socket, question.get());
  return code < 0 ? code : nl_recvmsgs_default(socket);
}

}  // namespace

Result<std::vector<StickyClient>> ClientReader::read(const std::string& table,
                                                     std::string_view protocol) {
  if (!socket_) {
    TRY(socket_, connect_socket(NETLINK_NETFILTER));
    nl_socket_set_msg_buf_size(socket_.get(), kPieceBytes);
  }
  const auto map = client_map(protocol).name;
  std::vector<StickyClient> out;
  int code = -NLE_DUMP_INTR;
  for (int i = 0; i < kTries && code == -NLE_DUMP_INTR; ++i) {
    code = list(socket_.get(), table, map, out);
  }
  if (code == -NLE_OBJ_NOTFOUND) {
    out.clear();
    return out;
  }
  if (code < 0) {
    socket_.reset();  // something of this list may be in it
    return netlink_error("listing clients that stick to an endpoint", code);
  }
  return out;
}

}  // namespace tetrarch::agent::network
