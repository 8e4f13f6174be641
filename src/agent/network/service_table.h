// SPDX-License-Identifier: Apache-2.0
// ServiceTable: what Services and EndpointSlices mean on this node: which virtual addresses and
// ports lead to which endpoints. Pure; the packet filter and DNS are rendered from it.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/network/network.h"

namespace tetrarch::agent::network {

struct Target {
  std::string address;
  std::uint16_t port = 0;
  bool is_local = false;  ///< the pod runs on this node
  auto operator<=>(const Target&) const = default;
};

/// One port of one service.
struct ServicePort {
  std::string service;   ///< "namespace/name"
  std::string name;      ///< of the port; may be empty
  std::string protocol;  ///< tcp, udp or sctp
  std::uint16_t port = 0;
  std::string address;                          ///< cluster IP; empty: somebody else's
  std::vector<std::string> external_addresses;  ///< external IPs, each once
  std::uint16_t node_port = 0;                  ///< 0: none
  std::int64_t affinity_s = 0;                  ///< 0: no session affinity
  bool is_local_inside = false;                 ///< internalTrafficPolicy: Local
  bool is_local_outside = false;                ///< externalTrafficPolicy: Local
  std::vector<Target> targets;                  ///< sorted
  std::vector<Target> local_targets;  ///< of a policy Local, whether among `targets` or not; sorted
  bool operator==(const ServicePort&) const = default;

  /// "namespace/name:port:protocol": stable for as long as the port exists.
  std::string id() const;
  /// The targets that a client of the cluster address, or of the node port and of external
  /// addresses, may be led to.
  const std::vector<Target>& inside() const;
  const std::vector<Target>& outside() const;
  /// Those that a client of that address of it may be led to.
  const std::vector<Target>& behind(std::string_view asked) const;
};

/// `address`: in host byte order.
bool has_target(const std::vector<Target>& targets, std::uint32_t address, std::uint16_t port);

/// A port of a pod that is bound on the machine.
struct PodHostPort {
  std::string protocol;
  std::string host_address;  ///< empty: all
  std::uint16_t host_port = 0;
  std::string pod_address;
  std::uint16_t pod_port = 0;
  auto operator<=>(const PodHostPort&) const = default;
};

/// An address behind a service, as DNS names it.
struct Endpoint {
  std::string address;
  std::string hostname;  ///< may be empty
  bool is_ready = false;
  bool is_local = false;                            ///< the pod runs on this node
  std::map<std::string, std::uint16_t> ports = {};  ///< "name/protocol" to number
};

class ServiceTable {
 public:
  explicit ServiceTable(std::string node_name) : node_name_(std::move(node_name)) {}

  /// What changed since the last call; `is_whole`: everything that there is.
  void apply(const std::vector<Change>& changes, bool is_whole);

  /// Ids of ports that came, went or may have changed since the last call.
  std::set<std::string> take_touched() { return std::exchange(touched_, {}); }

  /// As if all had come just now.
  void touch_all();

  /// By id().
  const std::map<std::string, ServicePort>& ports() const { return ports_; }

  const std::set<PodHostPort>& host_ports() const { return host_ports_; }

  const HealthPortsByService& health_ports() const { return health_ports_; }

  /// Keys "namespace/name" of the services that there are.
  const std::map<std::string, DocumentPtr>& services() const { return services_; }

  std::vector<Endpoint> endpoints(const std::string& service) const;

  /// Services whose own address that is, and headless ones with an endpoint there; sorted.
  std::vector<std::string> services_at(const std::string& address) const;

 private:
  void derive(const std::string& service);
  void derive_ports(const std::string& service, const Document& document);
  std::size_t ready_here(const std::string& service) const;
  void file_addresses(const std::string& service);
  void put_slice(const Change& change);
  void derive_host_ports();

  std::string node_name_;
  std::map<std::string, DocumentPtr> services_;
  std::map<std::string, std::map<std::string, DocumentPtr>> slices_;  // by service, then slice name
  std::map<std::string, std::string> service_of_slice_;  // "namespace/slice" to service
  std::map<std::string, DocumentPtr> pods_;
  std::map<std::string, ServicePort> ports_;
  std::map<std::string, std::vector<std::string>> ids_;  // of each service
  HealthPortsByService health_ports_;
  std::map<std::string, std::vector<std::string>> addresses_;  // of each service, as DNS knows them
  std::set<std::pair<std::string, std::string>> by_address_;   // address, service
  std::set<std::string> touched_;
  std::set<PodHostPort> host_ports_;
};

}  // namespace tetrarch::agent::network
