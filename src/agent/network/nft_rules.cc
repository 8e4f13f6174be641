// SPDX-License-Identifier: Apache-2.0
#include "agent/network/nft_rules.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>

namespace tetrarch::agent::network {
namespace {

// Ours: any bit would do; this one is the one that users of other cluster managers expect to find.
constexpr std::string_view kMasqueradeMark = "0x4000";

/// Short and fit for a chain's name (nftables takes letters, digits, '_', '-', '/', '.').
std::string chain_name(std::string_view prefix, const ServicePort& port) {
  // FNV-1a: stable between runs, so that a table of an earlier process can be read by people.
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : port.id()) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  }
  return fmt::format("{}_{:016x}", prefix, hash);
}

std::string endpoint_name(std::string_view chain, const Target& target) {
  return fmt::format("{}_{}_{}", chain, target.address, target.port);
}

/// `10.42.0.5 . 8080` for maps, `10.42.0.5:8080` for dnat.
std::string joined(const Target& target, std::string_view by) {
  return fmt::format("{}{}{}", target.address, by, target.port);
}

/// Whether a chain leads from its node port.
bool has_outside(const ServicePort& port) {
  return port.node_port != 0 && (!port.outside().empty() || port.is_local_outside);
}

class Renderer {
 public:
  explicit Renderer(const NftOptions& options) : options_(options) {}

  void frame();
  void hooks();
  void add_port(const ServicePort& port);
  /// `successor`: what takes its place in the same batch, or null. Who sticks to an endpoint that
  /// stays, sticks to it.
  void remove_port(const ServicePort& port, const ServicePort* successor);

  void add_host_port(const PodHostPort& port) { host_port("add", port); }

  void remove_host_port(const PodHostPort& port) { host_port("delete", port); }

  std::string take() { return std::move(out_); }

 private:
  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
    out_ += '\n';
  }

  void fill_chain(const ServicePort& port,
                  const std::string& chain,
                  const std::vector<Target>& targets,
                  bool is_outside);
  void fill_with_affinity(const ServicePort& port,
                          const std::string& chain,
                          const std::vector<Target>& targets);
  void empty_chain(const ServicePort& port,
                   const std::string& chain,
                   const std::vector<Target>& targets,
                   const std::vector<Target>& kept);
  void host_port(std::string_view verb, const PodHostPort& port);
  void hairpins(const ServicePort& port);
  std::string jumps(const ServicePort& port, std::string_view verb, bool with_verdict);

  const NftOptions& options_;
  std::string out_;
};

/// Maps, and the chain that leads by them.
void Renderer::frame() {
  const auto& table = options_.table;
  line("add table ip {0}\ndelete table ip {0}\nadd table ip {0}", table);
  line("add map ip {} services {{ type ipv4_addr . inet_proto . inet_service : verdict; }}", table);
  line("add map ip {} node_ports {{ type inet_proto . inet_service : verdict; }}", table);
  line("add map ip {} host_ports {{ type inet_proto . inet_service : ipv4_addr . inet_service; }}",
       table);
  line(
      "add map ip {} host_ports_at {{ type ipv4_addr . inet_proto . inet_service : ipv4_addr . "
      "inet_service; }}",
      table);
  line("add set ip {} hairpin {{ type ipv4_addr . ipv4_addr; }}", table);
  line("add chain ip {} lead", table);
  line("add rule ip {} lead ip daddr . meta l4proto . th dport vmap @services", table);
  line(
      "add rule ip {} lead fib daddr type local ip daddr != {} meta l4proto . th dport vmap "
      "@node_ports",
      table,
      options_.dns_address);
  line(
      "add rule ip {} lead dnat ip addr . port to ip daddr . meta l4proto . th dport map "
      "@host_ports_at",
      table);
  line(
      "add rule ip {} lead fib daddr type local ip daddr != {} dnat ip addr . port to meta l4proto "
      ". th dport map @host_ports",
      table,
      options_.dns_address);
}

/// Where translation begins and ends, and what is refused.
void Renderer::hooks() {
  const auto& table = options_.table;
  line("add chain ip {} prerouting {{ type nat hook prerouting priority dstnat; policy accept; }}",
       table);
  line("add rule ip {} prerouting jump lead", table);
  line("add chain ip {} output {{ type nat hook output priority -100; policy accept; }}", table);
  line("add rule ip {} output jump lead", table);
  line(
      "add chain ip {} postrouting {{ type nat hook postrouting priority srcnat; policy accept; }}",
      table);
  line("add rule ip {} postrouting meta mark and {} != 0 masquerade", table, kMasqueradeMark);
  line("add rule ip {} postrouting ip saddr . ip daddr @hairpin ct status dnat masquerade", table);
  // The machine's own loopback addresses mean nothing to a pod.
  line("add rule ip {} postrouting ip saddr 127.0.0.0/8 oifname \"{}\" masquerade",
       table,
       options_.bridge);
  line("add rule ip {} postrouting ip saddr {} ip daddr != {} oifname != \"{}\" masquerade",
       table,
       options_.pod_cidr.text(),
       options_.cluster_pod_cidr.text(),
       options_.bridge);
  // route_localnet lets answers to 127.0.0.1 in from the bridge; pods must not use it to reach the
  // machine's loopback.
  line("add chain ip {} guard {{ type filter hook prerouting priority raw; policy accept; }}",
       table);
  line("add rule ip {} guard iifname \"{}\" ip daddr 127.0.0.0/8 drop", table, options_.bridge);
  // Frames in VXLAN carry less than pods' interfaces do: both ends of a connection are told.
  line("add chain ip {} clamp {{ type filter hook forward priority mangle; policy accept; }}",
       table);
  line("add rule ip {} clamp oifname \"{}\" tcp flags syn tcp option maxseg size set rt mtu",
       table,
       options_.vxlan);
  line("add rule ip {} clamp iifname \"{}\" tcp flags syn tcp option maxseg size set rt mtu",
       table,
       options_.vxlan);
  // What still carries a service address here found no endpoint.
  for (const std::string_view hook : {"forward", "output"}) {
    const auto chain = fmt::format("refuse_{}", hook);
    line("add chain ip {} {} {{ type filter hook {} priority filter; policy accept; }}",
         table,
         chain,
         hook);
    line("add rule ip {} {} ip daddr {} ip daddr != {} meta l4proto tcp reject with tcp reset",
         table,
         chain,
         options_.service_cidr.text(),
         options_.dns_address);
    line("add rule ip {} {} ip daddr {} ip daddr != {} reject with icmp port-unreachable",
         table,
         chain,
         options_.service_cidr.text(),
         options_.dns_address);
  }
}

std::string Renderer::jumps(const ServicePort& port, std::string_view verb, bool with_verdict) {
  std::string out;
  const auto& table = options_.table;
  const auto goto_chain = [&](std::string_view prefix) {
    return with_verdict ? fmt::format(" : goto {}", chain_name(prefix, port)) : std::string();
  };
  if (!port.inside().empty()) {
    for (const auto& address : port.addresses) {
      if (address != options_.dns_address) {
        out += fmt::format("{} element ip {} services {{ {} . {} . {}{} }}\n",
                           verb,
                           table,
                           address,
                           port.protocol,
                           port.port,
                           goto_chain("svc"));
      }
    }
  }
  if (has_outside(port)) {
    out += fmt::format("{} element ip {} node_ports {{ {} . {}{} }}\n",
                       verb,
                       table,
                       port.protocol,
                       port.node_port,
                       goto_chain("ext"));
  }
  return out;
}

/// Never taken away: at most one entry per address of this node's range.
void Renderer::hairpins(const ServicePort& port) {
  for (const Target& target : port.targets) {
    if (target.is_local) {
      line("add element ip {} hairpin {{ {} . {} }}",
           options_.table,
           target.address,
           target.address);
    }
  }
}

void Renderer::fill_with_affinity(const ServicePort& port,
                                  const std::string& chain,
                                  const std::vector<Target>& targets) {
  const auto& table = options_.table;
  std::string places;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const auto name = endpoint_name(chain, targets[i]);
    line("add set ip {} {} {{ type ipv4_addr; flags dynamic,timeout; timeout {}s; }}",
         table,
         name,
         port.affinity_s);
    line("add chain ip {} {}", table, name);
    line("add rule ip {} {} update @{} {{ ip saddr }}", table, name, name);
    line("add rule ip {} {} meta l4proto {} dnat to {}",
         table,
         name,
         port.protocol,
         joined(targets[i], ":"));
    line("add rule ip {} {} ip saddr @{} goto {}", table, chain, name, name);
    places += fmt::format("{}{} : goto {}", i == 0 ? "" : ", ", i, name);
  }
  line(
      "add rule ip {} {} numgen random mod {} vmap {{ {} }}", table, chain, targets.size(), places);
}

void Renderer::fill_chain(const ServicePort& port,
                          const std::string& chain,
                          const std::vector<Target>& targets,
                          bool is_outside) {
  const auto& table = options_.table;
  line("add chain ip {} {}", table, chain);
  line("flush chain ip {} {}", table, chain);
  if (targets.empty()) {
    line("add rule ip {} {} drop", table, chain);
    return;
  }
  // A client from outside that is led to another node must get its answer through this one.
  if (is_outside && !port.is_local_outside) {
    line("add rule ip {} {} ip saddr != {} meta mark set meta mark or {}",
         table,
         chain,
         options_.cluster_pod_cidr.text(),
         kMasqueradeMark);
  }
  if (port.affinity_s > 0) {
    fill_with_affinity(port, chain, targets);
    return;
  }
  if (targets.size() == 1) {
    line("add rule ip {} {} meta l4proto {} dnat to {}",
         table,
         chain,
         port.protocol,
         joined(targets[0], ":"));
    return;
  }
  std::string places;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    places += fmt::format("{}{} : {}", i == 0 ? "" : ", ", i, joined(targets[i], " . "));
  }
  line("add rule ip {} {} meta l4proto {} dnat ip addr . port to numgen random mod {} map {{ {} }}",
       table,
       chain,
       port.protocol,
       targets.size(),
       places);
}

void Renderer::empty_chain(const ServicePort& port,
                           const std::string& chain,
                           const std::vector<Target>& targets,
                           const std::vector<Target>& kept) {
  const auto& table = options_.table;
  line("flush chain ip {} {}", table, chain);
  line("delete chain ip {} {}", table, chain);
  if (port.affinity_s > 0) {
    for (const Target& target : targets) {
      const auto name = endpoint_name(chain, target);
      line("flush chain ip {0} {1}\ndelete chain ip {0} {1}", table, name);
      if (std::find(kept.begin(), kept.end(), target) == kept.end()) {
        line("delete set ip {} {}", table, name);
      }
    }
  }
}

void Renderer::add_port(const ServicePort& port) {
  if (!port.inside().empty()) {
    fill_chain(port, chain_name("svc", port), port.inside(), false);
  }
  if (has_outside(port)) {
    fill_chain(port, chain_name("ext", port), port.outside(), true);
  }
  out_ += jumps(port, "add", true);
  hairpins(port);
}

void Renderer::remove_port(const ServicePort& port, const ServicePort* successor) {
  const bool is_kept = successor != nullptr && successor->affinity_s == port.affinity_s;
  const std::vector<Target> none;
  out_ += jumps(port, "delete", false);
  if (!port.inside().empty()) {
    empty_chain(port, chain_name("svc", port), port.inside(), is_kept ? successor->inside() : none);
  }
  if (has_outside(port)) {
    const bool is_outside_kept = is_kept && has_outside(*successor);
    empty_chain(port,
                chain_name("ext", port),
                port.outside(),
                is_outside_kept ? successor->outside() : none);
  }
}

void Renderer::host_port(std::string_view verb, const PodHostPort& port) {
  const auto to = fmt::format("{} . {}", port.pod_address, port.pod_port);
  if (port.host_address.empty()) {
    line("{} element ip {} host_ports {{ {} . {} : {} }}",
         verb,
         options_.table,
         port.protocol,
         port.host_port,
         to);
  } else {
    line("{} element ip {} host_ports_at {{ {} . {} . {} : {} }}",
         verb,
         options_.table,
         port.host_address,
         port.protocol,
         port.host_port,
         to);
  }
}

}  // namespace

NftState state_of(const ServiceTable& table) {
  NftState out{table.ports(), {}};
  std::set<std::tuple<std::string, std::string, int>> taken;
  const auto claim = [&](const std::string& address, const std::string& protocol, int port) {
    return parse_ipv4(address) && taken.emplace(address, protocol, port).second;
  };
  for (auto& [id, port] : out.ports) {
    const auto wanted = std::exchange(port.addresses, {});
    if (!wanted.empty() && claim(wanted.front(), port.protocol, port.port)) {
      port.addresses.push_back(wanted.front());
    }
    std::erase_if(port.targets, [](const Target& at) { return !parse_ipv4(at.address); });
  }
  for (auto& [id, port] : out.ports) {
    const auto& wanted = table.ports().at(id).addresses;
    for (std::size_t i = 1; i < wanted.size(); ++i) {
      if (claim(wanted[i], port.protocol, port.port)) {
        port.addresses.push_back(wanted[i]);
      }
    }
    if (port.node_port != 0 && !taken.emplace("node", port.protocol, port.node_port).second) {
      port.node_port = 0;
    }
  }
  for (const auto& port : table.host_ports()) {
    const bool is_good = parse_ipv4(port.pod_address) &&
                         (port.host_address.empty() || parse_ipv4(port.host_address));
    if (is_good &&
        taken.emplace("host " + port.host_address, port.protocol, port.host_port).second) {
      out.host_ports.insert(port);
    }
  }
  return out;
}

std::string render_whole(const NftOptions& options, const NftState& wanted) {
  Renderer renderer(options);
  renderer.frame();
  renderer.hooks();
  for (const auto& [id, port] : wanted.ports) {
    renderer.add_port(port);
  }
  for (const auto& port : wanted.host_ports) {
    renderer.add_host_port(port);
  }
  return renderer.take();
}

std::string render_change(const NftOptions& options,
                          const NftState& present,
                          const NftState& wanted) {
  Renderer renderer(options);
  for (const auto& [id, port] : present.ports) {
    const auto found = wanted.ports.find(id);
    if (found == wanted.ports.end() || found->second != port) {
      renderer.remove_port(port, found == wanted.ports.end() ? nullptr : &found->second);
    }
  }
  for (const auto& [id, port] : wanted.ports) {
    const auto found = present.ports.find(id);
    if (found == present.ports.end() || found->second != port) {
      renderer.add_port(port);
    }
  }
  for (const auto& port : present.host_ports) {
    if (!wanted.host_ports.contains(port)) {
      renderer.remove_host_port(port);
    }
  }
  for (const auto& port : wanted.host_ports) {
    if (!present.host_ports.contains(port)) {
      renderer.add_host_port(port);
    }
  }
  return renderer.take();
}

}  // namespace tetrarch::agent::network
