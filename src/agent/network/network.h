// SPDX-License-Identifier: Apache-2.0
// Network: the seam between the agent and what makes pods reachable on this node: the CNI
// configuration that the runtime runs for each sandbox, the service tables and the node's DNS.
// Pods' own interfaces are made by CNI plugins, which containerd runs; the agent only tells this
// room the node's range and the services.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "async/io_pool.h"
#include "async/task.h"
#include "base/clock.h"
#include "base/result.h"
#include "object/stored.h"

namespace tetrarch::agent::network {

struct Options {
  std::string node_name;
  /// Short and unique per data directory (lower-case hex, at most 6 characters): part of the names
  /// of bridges and tables, so that several clusters live on one machine.
  std::string instance;
  std::filesystem::path directory;  ///< ours alone: CNI configuration, address leases, saved tables
  std::filesystem::path cni_bin_directory = "/usr/lib/cni";
  std::string cluster_pod_cidr = "10.42.0.0/16";
  std::string service_cidr = "10.43.0.0/16";
  std::string cluster_domain = "cluster.local";
  std::string dns_address = "10.43.0.10";  ///< answered on this node
  std::uint32_t vni = 1;                   ///< the cluster's number in VXLAN, 24 bits
  std::uint16_t node_port_first = 30000;
  std::uint16_t node_port_last = 32767;
};

/// One object that the tables are made of, as the feed brought it: a Service ("services"), an
/// EndpointSlice ("endpointslices.discovery.k8s.io"), a NodeRoute
/// ("noderoutes.network.tetrarch.dev"), a NodePolicy or PolicyPod (the same group), a Pod of this
/// node
/// ("pods") or its Node ("nodes").
struct Change {
  Key key;
  DocumentPtr document;  ///< null: it is gone
};

/// A pod that has a sandbox on this node, as the runtime knows it.
struct LocalPod {
  std::string uid;
  std::string ns;
  std::string name;
  std::string address;
};

/// Where load balancers ask whether a service that keeps to nodes with endpoints has some here.
struct HealthPort {
  std::uint16_t port = 0;
  std::size_t endpoints = 0;  ///< ready ones on this node
  bool operator==(const HealthPort&) const = default;
};

using HealthPortsByService = std::map<std::string, HealthPort>;  ///< by "namespace/name"

/// Lives as long as the agent; called on the agent's strand only.
class Network {
 public:
  virtual ~Network() = default;

  /// Bridge, forwarding, tables, DNS socket and the CNI conflist for this node's range. Called when
  /// the range is known and again at every start or when the range changes; what is there already
  /// and right is kept, so that running pods notice nothing.
  /// `node_address` is what other machines reach this one by.
  virtual Task<Status> set_up(std::string node_pod_cidr, std::string node_address) = 0;

  /// Where the conflist is (the runtime's `conf_dir`) and where the plugins are; known before
  /// set_up.
  virtual std::filesystem::path cni_conf_directory() const = 0;
  virtual std::filesystem::path cni_bin_directory() const = 0;
  /// What pods of dnsPolicy ClusterFirst get as their name server.
  virtual std::string dns_address() const = 0;

  /// `is_whole`: these are all objects there are (the first after a start or a relist); otherwise
  /// only what changed since the last call. Made true atomically per call; an error leaves the
  /// former tables in force.
  virtual Task<Status> apply(std::vector<Change> changes, bool is_whole) = 0;

  /// Routes to other machines' pods that somebody else has taken away come back; what is right is
  /// not touched. Before the first apply() it does nothing.
  virtual Task<Status> keep_routes() = 0;

  /// Where a pod of this node is; its policies hold for it from the next apply on, so its
  /// containers start after that. False: that was known.
  virtual bool admit(const LocalPod& pod) = 0;
  /// Nothing of that pod is left.
  virtual void release(const std::string& uid) = 0;
  /// Whether policies limit what passes to or from an admitted pod.
  virtual bool is_limited(const std::string& uid) const = 0;

  /// As of the last apply.
  virtual const HealthPortsByService& health_ports() const = 0;

  /// Ends DNS and background work; leaves bridge and tables, which running pods need.
  virtual Task<void> stop() = 0;
};

/// The real one. `pool` and `blocking` outlive it.
std::unique_ptr<Network> make_network(Options options,
                                      async::IoPool& pool,
                                      async::BlockingPool& blocking,
                                      const Clock& clock);

/// For `tetrarch down`: removes bridge, tables and addresses of that instance. Blocking; nothing
/// there is success.
Status tear_down(const Options& options);

}  // namespace tetrarch::agent::network
