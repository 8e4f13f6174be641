// SPDX-License-Identifier: Apache-2.0
// Agent: one per node. Registers the node, receives its pods over the feed, runs them through a
// Runtime and writes their status back. Works from its own disk while no server answers. app makes
// one and calls run() and stop().
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/network/network.h"
#include "agent/shutdown.h"
#include "async/io_pool.h"
#include "async/task.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/result.h"
#include "client/client.h"
#include "net/client.h"
#include "net/http.h"
#include "schema/catalog.h"

namespace tetrarch::agent {

struct Taint {
  std::string key;
  std::string value = {};
  std::string effect;
};

struct Options {
  std::string node_name;
  std::string node_address = {};  ///< empty: the address of the default route, or 127.0.0.1
  /// The cluster's; the agent uses <data_directory>/agent and <data_directory>/images.
  std::filesystem::path data_directory;
  /// Folders of *.tar archives that are imported at start, besides <data_directory>/images.
  std::vector<std::filesystem::path> image_directories = {};
  std::string containerd_binary = "containerd";
  std::string pause_image = "tetrarch.dev/pause:1";
  std::map<std::string, std::string> labels = {};
  std::vector<Taint> taints = {};
  int pods_max = 250;
  // Source: Kubernetes documentation, kubelet: containerLogMaxSize 10Mi, containerLogMaxFiles 5;
  // imageGCHighThresholdPercent 85, imageGCLowThresholdPercent 80, imageMinimumGCAge 2m.
  std::int64_t log_size_max_bytes = 10 << 20;
  int log_files_max = 5;  ///< with the one that is written
  int image_gc_high_percent = 85;
  int image_gc_low_percent = 80;
  std::chrono::seconds image_age_min{120};  ///< one unused for less is not removed
  std::chrono::seconds image_age_max{
      0};  ///< one unused for longer is, however full the disk; 0: no
  // Source: kubelet looks for unused images every 5 minutes. Ours: for old containers every 20 s.
  std::chrono::seconds image_gc_interval{300};
  std::chrono::seconds housekeeping_interval{20};
  /// Manifests of pods that this node runs by itself; empty: <data_directory>/manifests.
  std::filesystem::path static_pods = {};
  /// When pods have to go (pressure.h); empty: never.
  std::string eviction_hard = {};
  // Source: kubelet, evictionPressureTransitionPeriod; it looks every 10 s.
  std::chrono::seconds pressure_transition{300};
  std::chrono::seconds pressure_interval{10};
  /// How long pods may take when the machine is shut down; empty: it does not wait for them.
  std::vector<ShutdownGrace> shutdown_grace = {};
  std::int64_t reserved_cpu_millicores = 0;
  std::int64_t reserved_memory_bytes = 0;
  std::string pod_cidr = "10.42.0.0/16";  ///< of the whole cluster
  std::string service_cidr = "10.43.0.0/16";
  std::string cluster_domain = "cluster.local";
  std::string dns_address = "10.43.0.10";
  std::uint32_t vni = 1;               ///< the cluster's number in VXLAN, 24 bits
  std::string pod_transport = "auto";  ///< auto, routes or vxlan
  /// Address of the message bus of the systemd that runs units; "none": this node runs none.
  std::string systemd_bus = "unix:path=/run/dbus/system_bus_socket";
  std::string metadata = {};  ///< "k=v,k2=v2": what fleet's users call the machine's metadata
  /// Which registries stand in for which: "docker.io" to URLs, in order; "*" for all others.
  std::map<std::string, std::vector<std::string>> registry_mirrors = {};
  /// Logins of registries and mirrors, like docker's config.json; empty: none.
  std::filesystem::path registry_logins = {};
  bool is_control_plane = false;  ///< the machine's, which cannot leave
  int blob_port = 0;              ///< where other nodes fetch blobs; 0: they go through a server
};

/// How nodes call each other: each shows its own client certificate. App reloads them.
struct PeerTls {
  std::shared_ptr<net::TlsContext> server;
  std::shared_ptr<net::TlsContext> client;
};

/// What the agent is handed; all outlive it.
struct Dependencies {
  client::Client& client;  ///< as system:node:<name>
  async::IoPool& pool;
  async::BlockingPool& blocking;
  const Clock& clock;
  Random& random;
  Metrics& metrics;
  network::Network* network = nullptr;       ///< null: the agent makes the real one
  const schema::Catalog* catalog = nullptr;  ///< reads manifests; null: none are read
  net::Client* images = nullptr;             ///< the cluster's image registry; null: there is none
  PeerTls peers = {};                        ///< null: no node is asked for blobs, nor asks
  /// Somebody wants the machine out of the cluster: called once, on the agent's strand.
  std::function<void(bool is_forced)> on_leave = {};
};

class Agent {
 public:
  Agent(Options options, Dependencies dependencies);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  /// Starts containerd (or adopts the one that runs), adopts its pods and begins all loops; returns
  /// when the node can take pods. An error says what is missing on this machine.
  Task<Status> run();
  /// Ends the loops and leaves containers and containerd running. Not from one of its own tasks.
  Task<void> stop();

  /// Takes no further pods and ends those that are here, in order; returns when they have ended or
  /// their time is over. For a machine that leaves: stop() is next.
  Task<void> end_pods();

  /// Answers one request that came over reach: the handler of a reach::Dialer, called on the
  /// dialer's strand.
  /// `dropped` ends when nobody waits for the answer any more.
  Task<void> serve_reach(std::string request_json,
                         std::unique_ptr<net::Stream> stream,
                         Task<void> dropped);
  /// Imports an archive now: `tetrarch image load`. The names that it held.
  Task<Result<std::vector<std::string>>> load_image(std::string archive_path);

  struct Impl;  ///< agent_impl.h: for this room

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace tetrarch::agent
