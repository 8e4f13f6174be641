// SPDX-License-Identifier: Apache-2.0
#include "agent/network/side_network.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>

#include <fmt/format.h>

#include "agent/network/netlink.h"
#include "agent/network/side_links.h"
#include "base/log.h"
#include "object/document.h"
#include "object/writer.h"

namespace tetrarch::agent::network {
namespace {

constexpr std::string_view kRoom = "network";
constexpr std::uint32_t kVniMax = (1U << 24) - 1;
// Source: Linux, ETH_MIN_MTU for IPv4 and the largest that an interface takes.
constexpr int kMtuMin = 68;
constexpr int kMtuMax = 65535;
constexpr std::string_view kNoteEnd = ".json";

/// FNV-1a, 24 bits of it in hex: names of links are short.
std::string short_hash(std::string_view text) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  }
  return fmt::format("{:06x}", hash & 0xFFFFFF);
}

std::string with_bits(std::uint32_t address, const Ipv4Range& range) {
  return fmt::format("{}/{}", ipv4_text(address), range.bits);
}

/// Locally administered, and the same whenever the address is: neighbours' tables stay good.
std::string hardware_of(std::uint32_t address) {
  return fmt::format("0a:5c:{:02x}:{:02x}:{:02x}:{:02x}",
                     address >> 24,
                     (address >> 16) & 255,
                     (address >> 8) & 255,
                     address & 255);
}

Status check(const SideNetwork& network) {
  const bool is_good = !network.id.empty() && network.vni <= kVniMax && network.mtu >= kMtuMin &&
                       network.mtu <= kMtuMax &&
                       (network.gateway == 0 || network.range.contains(network.gateway));
  return is_good ? ok()
                 : Status(Error{Code::invalid,
                                fmt::format("network '{}': no id, or a number or "
                                            "gateway that cannot be",
                                            network.id)});
}

/// What of it stays for its life.
bool is_same_place(const SideNetwork& a, const SideNetwork& b) {
  return a.vni == b.vni && a.range == b.range && a.gateway == b.gateway && a.mtu == b.mtu;
}

std::string note_text(const SideNetworks::Entry& entry) {
  std::string out;
  object::Writer writer(out);
  const auto& network = entry.network;
  writer.begin_object().field("id", network.id);
  writer.field("vni", static_cast<std::int64_t>(network.vni));
  writer.field("range", network.range.text()).field("gateway", ipv4_text(network.gateway));
  writer.field("mtu", static_cast<std::int64_t>(network.mtu));
  writer.key("machines").begin_array();
  for (const auto machine : network.machines) {
    writer.string(ipv4_text(machine));
  }
  writer.end_array().key("ports").begin_array();
  for (const auto& port : entry.ports) {
    writer.begin_object().field("pod", port.pod).field("network", port.pod_network.string());
    writer.field("interface", port.interface).field("address", ipv4_text(port.address));
    writer.end_object();
  }
  writer.end_array().end_object();
  return out;
}

/// Nothing: a power cut has left half of it.
std::optional<SideNetworks::Entry> read_note(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  const auto parsed = Document::parse(text.str());
  if (!parsed.ok()) {
    return std::nullopt;
  }
  const auto root = (*parsed)->root();
  SideNetworks::Entry out;
  out.network.id = root["id"].string();
  out.network.vni = static_cast<std::uint32_t>(root["vni"].integer());
  out.network.range = Ipv4Range::parse(root["range"].string()).value_or({});
  out.network.gateway = parse_ipv4(root["gateway"].string()).value_or(0);
  out.network.mtu = static_cast<int>(root["mtu"].integer());
  for (const auto machine : root["machines"].elements()) {
    out.network.machines.push_back(parse_ipv4(machine.string()).value_or(0));
  }
  for (const auto port : root["ports"].elements()) {
    out.ports.push_back({std::string(port["pod"].string()),
                         std::string(port["network"].string()),
                         std::string(port["interface"].string()),
                         parse_ipv4(port["address"].string()).value_or(0)});
  }
  return check(out.network).ok() ? std::optional(std::move(out)) : std::nullopt;
}

}  // namespace

std::string side_bridge(const std::string& instance, const std::string& id) {
  return fmt::format("tb{}-{}", instance, short_hash(id));
}

std::string side_vxlan(const std::string& instance, const std::string& id) {
  return fmt::format("tx{}-{}", instance, short_hash(id));
}

std::string side_port(const std::string& instance, const std::string& id, const std::string& pod) {
  return fmt::format("tp{}-{}", instance, short_hash(id + '\n' + pod));
}

std::filesystem::path SideNetworks::note_of(const std::string& id) const {
  return options_.directory / (short_hash(id) + std::string(kNoteEnd));
}

Status SideNetworks::save(const Entry& entry) const {
  std::error_code error;
  std::filesystem::create_directories(options_.directory, error);
  const auto path = note_of(entry.network.id);
  const auto fresh = path.string() + ".new";
  std::ofstream file(fresh, std::ios::binary);
  file << note_text(entry) << std::flush;
  file.close();
  if (!file) {
    return Error{Code::internal, fmt::format("cannot write {}", fresh)};
  }
  std::filesystem::rename(fresh, path, error);
  return error ? Status(Error{Code::internal,
                              fmt::format("cannot rename {}: {}", fresh, error.message())})
               : ok();
}

Status SideNetworks::make(const Entry& entry) const {
  const auto& network = entry.network;
  const auto bridge = side_bridge(options_.instance, network.id);
  const auto gateway =
      network.gateway == 0 ? std::string() : with_bits(network.gateway, network.range);
  TRY_STATUS(ensure_side_bridge({bridge, network.mtu, gateway}));
  if (network.vni == 0) {
    return ok();
  }
  SideTunnel tunnel;
  tunnel.name = side_vxlan(options_.instance, network.id);
  tunnel.bridge = bridge;
  tunnel.vni = network.vni;
  tunnel.own_address = options_.own_address;
  tunnel.mtu = network.mtu;
  tunnel.machines = network.machines;
  return ensure_side_tunnel(tunnel);
}

Status SideNetworks::make_port(const Entry& entry, const SidePort& port) const {
  SideVeth veth;
  veth.name = side_port(options_.instance, entry.network.id, port.pod);
  veth.bridge = side_bridge(options_.instance, entry.network.id);
  veth.pod_network = port.pod_network;
  veth.interface = port.interface;
  veth.address = with_bits(port.address, entry.network.range);
  veth.hardware = hardware_of(port.address);
  veth.mtu = entry.network.mtu;
  return ensure_side_veth(veth);
}

Status SideNetworks::restore() {
  Status first = ok();
  const auto note = [&first](const Status& done) {
    if (!done.ok() && first.ok()) {
      first = done;
    }
  };
  std::error_code error;
  for (const auto& file : std::filesystem::directory_iterator(options_.directory, error)) {
    auto entry = file.path().extension() == kNoteEnd ? read_note(file.path()) : std::nullopt;
    if (!entry) {
      log::warning(kRoom, "{} says of no network", file.path().string());
      std::filesystem::remove(file.path(), error);
      continue;
    }
    note(make(*entry));
    std::erase_if(entry->ports, [&](const SidePort& port) {
      const auto done = make_port(*entry, port);
      const bool is_gone = !done.ok() && done.error().code == Code::not_found;
      note(is_gone ? ok() : done);
      return is_gone;
    });
    note(save(*entry));
    entries_.insert_or_assign(entry->network.id, *std::move(entry));
  }
  return first;
}

Status SideNetworks::ensure(const SideNetwork& network) {
  TRY_STATUS(check(network));
  const auto known = entries_.find(network.id);
  if (known != entries_.end() && !is_same_place(known->second.network, network)) {
    return Error{Code::conflict, fmt::format("network '{}' is another one already", network.id)};
  }
  Entry entry = known == entries_.end() ? Entry{} : known->second;
  entry.network = network;
  // Written first: what a power cut leaves in the kernel must not be unknown.
  TRY_STATUS(save(entry));
  const Entry& kept = entries_.insert_or_assign(network.id, std::move(entry)).first->second;
  return make(kept);
}

Status SideNetworks::remove(const std::string& id) {
  const auto known = entries_.find(id);
  if (known == entries_.end()) {
    return ok();
  }
  for (const auto& port : known->second.ports) {
    TRY_STATUS(remove_link(side_port(options_.instance, id, port.pod)));
  }
  TRY_STATUS(remove_link(side_vxlan(options_.instance, id)));
  TRY_STATUS(remove_link(side_bridge(options_.instance, id)));
  std::error_code ignored;
  std::filesystem::remove(note_of(id), ignored);
  entries_.erase(known);
  return ok();
}

Status SideNetworks::attach(const std::string& id, const SidePort& port) {
  const auto known = entries_.find(id);
  if (known == entries_.end()) {
    return Error{Code::not_found, fmt::format("there is no network '{}' here", id)};
  }
  Entry& entry = known->second;
  if (!entry.network.range.contains(port.address) || port.address == entry.network.gateway) {
    return Error{Code::invalid,
                 fmt::format("{} is no address for a pod of {}",
                             ipv4_text(port.address),
                             entry.network.range.text())};
  }
  for (const auto& other : entry.ports) {
    if (other.address == port.address && other.pod != port.pod) {
      return Error{Code::conflict,
                   fmt::format("{} is the address of pod {}", ipv4_text(port.address), other.pod)};
    }
    if (other.pod == port.pod && other != port) {
      return Error{Code::conflict,
                   fmt::format("pod {} is in network '{}' with another address", port.pod, id)};
    }
  }
  TRY_STATUS(make_port(entry, port));
  if (std::find(entry.ports.begin(), entry.ports.end(), port) == entry.ports.end()) {
    entry.ports.push_back(port);
  }
  return save(entry);
}

Status SideNetworks::detach(const std::string& id, const std::string& pod) {
  const auto known = entries_.find(id);
  if (known == entries_.end()) {
    return ok();
  }
  TRY_STATUS(remove_link(side_port(options_.instance, id, pod)));
  std::erase_if(known->second.ports, [&](const SidePort& port) { return port.pod == pod; });
  return save(known->second);
}

Status tear_down_side_networks(const SideOptions& options) {
  // Ends of pods first: a bridge without them is nobody's.
  for (const std::string_view kind : {"tp", "tx", "tb"}) {
    TRY(const auto links, links_named(fmt::format("{}{}-", kind, options.instance)));
    for (const auto& link : links) {
      TRY_STATUS(remove_link(link));
    }
  }
  std::error_code ignored;
  std::filesystem::remove_all(options.directory, ignored);
  return ok();
}

}  // namespace tetrarch::agent::network
