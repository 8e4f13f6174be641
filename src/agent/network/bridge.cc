// SPDX-License-Identifier: Apache-2.0
#include "agent/network/bridge.h"

#include <algorithm>
#include <fstream>
#include <memory>
#include <set>
#include <spawn.h>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netlink/route/addr.h>
#include <netlink/route/link/bridge.h>
#include <sys/wait.h>

#include "agent/network/netlink.h"

namespace tetrarch::agent::network {
namespace {

using Address = std::unique_ptr<rtnl_addr, PutBack<rtnl_addr_put>>;

/// Locally administered, and the same at every start, so that pods' ARP entries stay good.
std::string hardware_address(const std::string& bridge) {
  std::uint32_t hash = 2166136261U;
  for (const char c : bridge) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  }
  return fmt::format("0a:58:{:02x}:{:02x}:{:02x}:{:02x}",
                     hash >> 24,
                     (hash >> 16) & 255,
                     (hash >> 8) & 255,
                     hash & 255);
}

Status make_bridge(nl_sock* socket, const std::string& name) {
  const Link link(rtnl_link_bridge_alloc());
  rtnl_link_set_name(link.get(), name.c_str());
  TRY(const auto hardware, parse_address(hardware_address(name), AF_LLC));
  rtnl_link_set_addr(link.get(), hardware.get());
  const int code = rtnl_link_add(socket, link.get(), NLM_F_CREATE | NLM_F_EXCL);
  return code < 0 ? Status(netlink_error(fmt::format("making bridge {}", name), code)) : ok();
}

Result<Address> make_address(int index, const std::string& text) {
  TRY(const auto local, parse_address(text, AF_INET));
  Address address(rtnl_addr_alloc());
  rtnl_addr_set_ifindex(address.get(), index);
  rtnl_addr_set_local(address.get(), local.get());
  return address;
}

std::set<std::string> addresses_of(nl_sock* socket, int index) {
  std::set<std::string> out;
  nl_cache* raw = nullptr;
  if (rtnl_addr_alloc_cache(socket, &raw) < 0) {
    return out;
  }
  const Cache cache(raw);
  for (auto* at = nl_cache_get_first(raw); at != nullptr; at = nl_cache_get_next(at)) {
    auto* address = reinterpret_cast<rtnl_addr*>(at);
    if (rtnl_addr_get_ifindex(address) == index && rtnl_addr_get_family(address) == AF_INET) {
      char text[64] = "";
      nl_addr2str(rtnl_addr_get_local(address), text, sizeof(text));
      std::string plain(text);
      out.insert(plain.find('/') == std::string::npos ? plain + "/32" : plain);
    }
  }
  return out;
}

Status sync_addresses(nl_sock* socket, int index, const std::vector<std::string>& wanted) {
  const auto present = addresses_of(socket, index);
  for (const auto& text : present) {
    if (std::find(wanted.begin(), wanted.end(), text) == wanted.end()) {
      TRY(const auto address, make_address(index, text));
      rtnl_addr_delete(socket, address.get(), 0);
    }
  }
  for (const auto& text : wanted) {
    if (!present.contains(text)) {
      TRY(const auto address, make_address(index, text));
      if (const int code = rtnl_addr_add(socket, address.get(), 0);
          code < 0 && code != -NLE_EXIST) {
        return netlink_error(fmt::format("adding address {}", text), code);
      }
    }
  }
  return ok();
}

std::string read_switch(const std::string& path) {
  std::ifstream file(path);
  std::string value;
  std::getline(file, value);
  return value;
}

Status write_switch(const std::string& path, const std::string& value) {
  if (read_switch(path) == value) {
    return ok();
  }
  std::ofstream file(path);
  file << value << std::flush;
  return file ? ok()
              : Status(Error{Code::internal, fmt::format("cannot write {} to {}", value, path)});
}

/// Loads the module where it is one; where it is built in, or there is none, that shows at the next
/// step.
void load_bridge_filter() {
  char name[] = "modprobe";
  char quiet[] = "-q";
  char module[] = "br_netfilter";
  char* arguments[] = {name, quiet, module, nullptr};
  char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  char* environment[] = {path, nullptr};
  pid_t child = 0;
  if (posix_spawnp(&child, "modprobe", nullptr, nullptr, arguments, environment) == 0) {
    waitpid(child, nullptr, 0);
  }
}

constexpr std::string_view kForward = "/proc/sys/net/ipv4/ip_forward";

}  // namespace

Status ensure_bridge(const BridgeOptions& options) {
  TRY(const auto socket, connect_socket());
  Link link = find_link(socket.get(), options.name);
  if (!link) {
    TRY_STATUS(make_bridge(socket.get(), options.name));
    link = find_link(socket.get(), options.name);
  }
  if (!link) {
    return Error{Code::internal,
                 fmt::format("bridge {} is not there after it was made", options.name)};
  }
  TRY_STATUS(bring_up(socket.get(), link.get()));
  return sync_addresses(socket.get(), rtnl_link_get_ifindex(link.get()), options.addresses);
}

Status ensure_switches(const std::string& bridge, const std::filesystem::path& note) {
  if (!std::filesystem::exists(note)) {
    std::ofstream(note) << read_switch(std::string(kForward)) << '\n';
  }
  TRY_STATUS(write_switch(std::string(kForward), "1"));
  TRY_STATUS(write_switch(fmt::format("/proc/sys/net/ipv4/conf/{}/route_localnet", bridge), "1"));
  const auto filter = fmt::format("/sys/class/net/{}/bridge/nf_call_iptables", bridge);
  if (!std::filesystem::exists("/proc/sys/net/bridge")) {
    load_bridge_filter();
  }
  // Without it a pod's answer to a neighbour on the same bridge would pass by address translation,
  // and what it sends there by network policies.
  TRY_STATUS(write_switch(filter, "1"));
  const auto filter6 = fmt::format("/sys/class/net/{}/bridge/nf_call_ip6tables", bridge);
  return std::filesystem::exists(filter6) ? write_switch(filter6, "1") : ok();
}

Status restore_switches(const std::filesystem::path& note) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/class/net", ignored)) {
    if (entry.path().filename().string().starts_with("tet-")) {
      return ok();
    }
  }
  const auto before = read_switch(note.string());
  return before.empty() ? ok() : write_switch(std::string(kForward), before);
}

}  // namespace tetrarch::agent::network
