// SPDX-License-Identifier: Apache-2.0
#include "agent/network/nft_rules.h"

#include <utility>

#include <fmt/format.h>

namespace tetrarch::agent::network {
namespace {

using Side = Among::Side;

// Ours: any bit would do; this one is the one that users of other cluster managers expect to find.
constexpr std::string_view kMasqueradeMark = "0x4000";
// Ours: a packet that opens a connection pays a lookup for each number of endpoints that has a set.
constexpr std::size_t kSetsMax = 16;

constexpr const char* kServices = "services";
constexpr const char* kNodePorts = "node_ports";
constexpr const char* kHostPorts = "host_ports";
constexpr const char* kHostPortsAt = "host_ports_at";

constexpr const char* kByAddress = "ip daddr . meta l4proto . th dport";
constexpr const char* kByPort = "meta l4proto . th dport";

const char* key_of(bool is_by_address) {
  return is_by_address ? kByAddress : kByPort;
}

/// One map for each protocol: where a map's data is a port, nft takes it for that of a protocol,
/// and limits the rule that looks it up to this.
std::string endpoints_of(bool is_by_address, std::string_view protocol) {
  return fmt::format("{}_endpoints_{}", is_by_address ? "inside" : "outside", protocol);
}

std::string key_among(bool is_by_address, std::string_view protocol, std::size_t count) {
  return fmt::format(
      "{}{} dport . numgen random mod {}", is_by_address ? "ip daddr . " : "", protocol, count);
}

/// Where those are that lead to a chain of their own or to one without a set.
const char* verdicts_of(bool is_by_address) {
  return is_by_address ? kServices : kNodePorts;
}

/// A client from outside that is led to another node must get its answer through this one.
std::string mark(const NftOptions& options) {
  return fmt::format("ip saddr != {} meta mark set meta mark or {}",
                     options.cluster_pod_cidr.text(),
                     kMasqueradeMark);
}

class PortWriter {
 public:
  PortWriter(const NftOptions& options, const ServicePort& port) : options_(options), port_(port) {}

  PortRules take() {
    inside();
    external();
    node_port();
    hairpins(port_.targets);
    hairpins(port_.local_targets);
    return std::move(out_);
  }

 private:
  void hairpins(const std::vector<Target>& targets) {
    for (const Target& target : targets) {
      if (target.is_local) {
        out_.hairpins.push_back(fmt::format("{0} . {0}", target.address));
      }
    }
  }

  void inside() {
    if (!port_.address.empty() && port_.address != options_.dns_address) {
      place(Side::inside, port_.address + " . ", port_.port, port_.inside());
    }
  }

  void external() {
    for (const auto& address : port_.external_addresses) {
      if (address != options_.dns_address) {
        // Endpoints of this node alone need no mark, and are picked as for the cluster address.
        place_outside(
            port_.is_local_outside ? Side::inside : Side::external, address + " . ", port_.port);
      }
    }
  }

  void node_port() {
    if (port_.node_port != 0) {
      place_outside(
          port_.is_local_outside ? Side::outside_local : Side::outside, "", port_.node_port);
    }
  }

  /// Where there is no endpoint on this node, policy Local leads nowhere else.
  void place_outside(Side side, const std::string& address, std::uint16_t number) {
    if (port_.is_local_outside && port_.outside().empty()) {
      out_.elements.push_back({verdicts_of(Among{side}.is_by_address()),
                               fmt::format("{}{} . {}", address, port_.protocol, number),
                               "drop"});
    } else {
      place(side, address, number, port_.outside());
    }
  }

  /// `address`: with what joins it to the rest of a key.
  void place(Side side,
             const std::string& address,
             std::uint16_t number,
             const std::vector<Target>& targets) {
    if (targets.empty()) {
      return;
    }
    const auto key = fmt::format("{}{} . {}", address, port_.protocol, number);
    const Among among{side, targets.size(), port_.affinity_s > 0 ? port_.protocol : ""};
    out_.among.push_back(among);
    if (among.has_set()) {
      out_.elements.push_back({among.name(), key, ""});
    } else {
      out_.elements.push_back({verdicts_of(among.is_by_address()), key, "goto " + among.name()});
    }
    for (std::size_t i = 0; i < targets.size(); ++i) {
      out_.elements.push_back({endpoints_of(among.is_by_address(), port_.protocol),
                               fmt::format("{}{} . {}", address, number, i),
                               fmt::format("{} . {}", targets[i].address, targets[i].port)});
    }
    if (port_.affinity_s > 0) {
      stick(among.is_by_address(), fmt::format("{}{}", address, number), targets);
    }
  }

  /// `place`: what leads to the port, as it begins a key.
  void stick(bool is_by_address, const std::string& place, const std::vector<Target>& targets) {
    const Recall recall{is_by_address, port_.protocol, port_.affinity_s};
    out_.recalls.push_back(recall);
    for (const auto& target : targets) {
      out_.elements.push_back(
          {recall.name(), fmt::format("{} . {} . {}", place, target.address, target.port), ""});
    }
  }

  const NftOptions& options_;
  const ServicePort& port_;
  PortRules out_;
};

/// Commands, one a line.
class Lines {
 public:
  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    text_ += '\n';
  }

  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

/// Where translation begins and ends.
void translate(const NftOptions& options, Lines& out) {
  const auto& table = options.table;
  out.line(
      "add chain ip {} prerouting {{ type nat hook prerouting priority dstnat; policy accept; }}",
      table);
  out.line("add rule ip {} prerouting jump lead", table);
  out.line("add chain ip {} output {{ type nat hook output priority -100; policy accept; }}",
           table);
  out.line("add rule ip {} output jump lead", table);
  out.line(
      "add chain ip {} postrouting {{ type nat hook postrouting priority srcnat; policy accept; }}",
      table);
  out.line("add rule ip {} postrouting meta mark and {} != 0 masquerade", table, kMasqueradeMark);
  out.line("add rule ip {} postrouting ip saddr . ip daddr @hairpin ct status dnat masquerade",
           table);
  // Before others', too: the first chain that masquerades a connection is the last that sees it.
  out.line("add chain ip {} remember {{ type nat hook postrouting priority 90; policy accept; }}",
           table);
  out.line("add rule ip {} remember ct status dnat jump {}", table, kRecall);
  // The machine's own loopback addresses mean nothing to a pod.
  out.line("add rule ip {} postrouting ip saddr 127.0.0.0/8 oifname \"{}\" masquerade",
           table,
           options.bridge);
  out.line("add rule ip {} postrouting ip saddr {} ip daddr != {} oifname != \"{}\" masquerade",
           table,
           options.pod_cidr.text(),
           options.cluster_pod_cidr.text(),
           options.bridge);
  // route_localnet lets answers to 127.0.0.1 in from the bridge; pods must not use it to reach the
  // machine's loopback.
  out.line("add chain ip {} guard {{ type filter hook prerouting priority raw; policy accept; }}",
           table);
  out.line("add rule ip {} guard iifname \"{}\" ip daddr 127.0.0.0/8 drop", table, options.bridge);
  // Frames in VXLAN carry less than pods' interfaces do: both ends of a connection are told.
  out.line("add chain ip {} clamp {{ type filter hook forward priority mangle; policy accept; }}",
           table);
  out.line("add rule ip {} clamp oifname \"{}\" tcp flags syn tcp option maxseg size set rt mtu",
           table,
           options.vxlan);
  out.line("add rule ip {} clamp iifname \"{}\" tcp flags syn tcp option maxseg size set rt mtu",
           table,
           options.vxlan);
}

/// What still carries a service address here found no endpoint.
void refuse(const NftOptions& options, Lines& out) {
  const auto& table = options.table;
  for (const std::string_view hook : {"forward", "output"}) {
    const auto chain = fmt::format("refuse_{}", hook);
    out.line("add chain ip {} {} {{ type filter hook {} priority filter; policy accept; }}",
             table,
             chain,
             hook);
    out.line("add rule ip {} {} ip daddr {} ip daddr != {} meta l4proto tcp reject with tcp reset",
             table,
             chain,
             options.service_cidr.text(),
             options.dns_address);
    out.line("add rule ip {} {} ip daddr {} ip daddr != {} reject with icmp port-unreachable",
             table,
             chain,
             options.service_cidr.text(),
             options.dns_address);
  }
}

}  // namespace

std::string Among::name() const {
  constexpr const char* kSides[] = {"inside", "external", "outside", "outside_local"};
  return fmt::format("{}_{}{}{}",
                     kSides[static_cast<int>(side)],
                     count,
                     sticking.empty() ? "" : "_sticking_",
                     sticking);
}

bool Among::has_set() const {
  return count <= kSetsMax;
}

PortRules rules_of(const NftOptions& options, const ServicePort& port) {
  return PortWriter(options, port).take();
}

NftElement element_of(const PodHostPort& port) {
  const auto to = fmt::format("{} . {}", port.pod_address, port.pod_port);
  const auto by = fmt::format("{} . {}", port.protocol, port.host_port);
  if (port.host_address.empty()) {
    return {kHostPorts, by, to};
  }
  return {kHostPortsAt, fmt::format("{} . {}", port.host_address, by), to};
}

std::vector<NamedSet> fixed_sets() {
  std::vector<NamedSet> out{
      {kServices, "map", "type ipv4_addr . inet_proto . inet_service : verdict;"},
      {kNodePorts, "map", "type inet_proto . inet_service : verdict;"},
      {kHostPorts, "map", "type inet_proto . inet_service : ipv4_addr . inet_service;"},
      {kHostPortsAt,
       "map",
       "type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service;"},
      {kHairpins, "set", "type ipv4_addr . ipv4_addr;"},
  };
  for (const bool is_by_address : {true, false}) {
    for (const auto* const protocol : kProtocols) {
      out.push_back({endpoints_of(is_by_address, protocol),
                     "map",
                     fmt::format("typeof {} : ip daddr . {} dport;",
                                 key_among(is_by_address, protocol, 2),
                                 protocol)});
    }
  }
  return out;
}

NamedSet set_of(const Among& among) {
  return {among.name(), "set", fmt::format("typeof {};", key_of(among.is_by_address()))};
}

std::vector<std::string> pick(const NftOptions& options, const Among& among) {
  std::vector<std::string> rules;
  if (among.side == Side::outside || among.side == Side::external) {
    rules.push_back(mark(options));
  }
  if (!among.sticking.empty()) {
    rules.push_back(lead_known_client(among.sticking));
  }
  for (const std::string_view protocol : kProtocols) {
    if (!among.sticking.empty() && among.sticking != protocol) {
      continue;
    }
    rules.push_back(fmt::format("dnat ip addr . port to {} map @{}",
                                key_among(among.is_by_address(), protocol, among.count),
                                endpoints_of(among.is_by_address(), protocol)));
  }
  return rules;
}

namespace {

void add_sets(const std::vector<Among>& present,
              bool is_by_address,
              std::vector<std::string>& rules) {
  for (const Among& among : present) {
    if (among.has_set() && among.is_by_address() == is_by_address) {
      rules.push_back(fmt::format("{0} @{1} goto {1}", key_of(is_by_address), among.name()));
    }
  }
}

}  // namespace

std::vector<std::string> lead(const NftOptions& options, const std::vector<Among>& present) {
  const auto here = fmt::format("fib daddr type local ip daddr != {}", options.dns_address);
  std::vector<std::string> rules{fmt::format("{} vmap @{}", kByAddress, kServices)};
  add_sets(present, true, rules);
  rules.push_back(here + " jump lead_node_ports");
  rules.push_back(fmt::format("dnat ip addr . port to {} map @{}", kByAddress, kHostPortsAt));
  rules.push_back(fmt::format("{} dnat ip addr . port to {} map @{}", here, kByPort, kHostPorts));
  return rules;
}

std::vector<std::string> lead_node_ports(const std::vector<Among>& present) {
  std::vector<std::string> rules{fmt::format("{} vmap @{}", kByPort, kNodePorts)};
  add_sets(present, false, rules);
  return rules;
}

std::string render_hooks(const NftOptions& options) {
  Lines out;
  translate(options, out);
  refuse(options, out);
  return out.take();
}

}  // namespace tetrarch::agent::network
