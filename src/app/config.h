// SPDX-License-Identifier: Apache-2.0
// Config: what `tetrarch up|server|agent` is told, by flags or by a YAML file with the same keys.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/result.h"

namespace tetrarch::app {

struct Config {
  std::string data_dir = "/var/lib/tetrarch";
  std::string config_file;
  std::string api_listen = "0.0.0.0:6443";
  std::string fleet_listen =
      "unix:///run/tetrarch/fleet.sock";  ///< comma-separated; empty: nowhere
  std::string advertise_address;  ///< empty: advertised_host, else the default route's, 127.0.0.1
  std::string pod_cidr = "10.42.0.0/16";
  std::string pod_transport = "auto";
  std::string service_cidr = "10.43.0.0/16";
  std::string service_node_ports = "30000-32767";
  std::string cluster_domain = "cluster.local";
  std::string node_name;    ///< empty: the machine's host name
  std::string node_labels;  ///< a=b,c=d
  std::string node_taints;  ///< key=value:Effect,…
  std::string systemd_bus = "unix:path=/run/dbus/system_bus_socket";  ///< or "none"
  std::string metadata;  ///< k=v,k2=v2: of the machine, for fleet's users
  std::string log_level = "info";
  std::string server;                   ///< agent: https://host:port
  std::string token;                    ///< agent: join token
  std::string leave_on_stop = "false";  ///< agent: SIGTERM and SIGINT make the machine leave
  std::string audit_policy_file;
  std::string audit_log_path;   ///< empty: no audit log
  int audit_log_maxsize = 100;  ///< megabytes
  int audit_log_maxbackup = 10;
  int audit_log_maxage = 0;  ///< days; 0: for ever
  int max_requests_inflight = 600;
  int watch_history = 200'000;  ///< changes
  int io_threads = 2;
  int max_pods = 110;
  int certificate_seconds = 365 * 24 * 3600;  ///< how long certificates of nodes and clients last
  std::string container_log_max_size = "10Mi";
  int container_log_max_files = 5;
  int image_gc_high_threshold = 85;
  int image_gc_low_threshold = 80;
  int image_gc_minimum_age = 120;  ///< seconds
  int image_gc_maximum_age = 0;    ///< seconds; 0: none
  std::string registry_mirrors;    ///< HOST=URL,…; empty: none
  int blob_port = 6444;            ///< 0: none
  int registry_gc_grace = 3600;    ///< seconds
  std::string static_pods;         ///< empty: <data-dir>/manifests
  // Source: kubelet, DefaultEvictionHard, v1.35.
  std::string eviction_hard =
      "memory.available<100Mi,nodefs.available<10%,nodefs.inodesFree<5%,"
      "imagefs.available<15%,imagefs.inodesFree<5%";
  // Source: kubelet, shutdownGracePeriod 0: off, and pods of no controller run on after a boot.
  std::string shutdown_grace;
  int eviction_pressure_transition_period = 300;  ///< seconds
  std::set<std::string> given;                    ///< the keys that flags or the file have set
};

/// One key of the configuration, for help, completion and the two readers.
struct ConfigKey {
  std::string_view name;
  std::string_view argument;
  std::string_view doc;
  std::string Config::*text = nullptr;
  int Config::*number = nullptr;
  bool repeats = false;  ///< a flag that is given again adds to the list
  int number_min = 1;    ///< 0: where it means something, as "never"
};

const std::vector<ConfigKey>& config_keys();

/// Reads `--key value`, `--key=value` and the file named by --config; flags win over the file.
/// What is no flag is left in `rest`. Code::invalid names the unknown key or the bad value.
Result<Config> read_config(const std::vector<std::string>& arguments,
                           std::vector<std::string>& rest);

/// What is the same on all machines of a cluster, as a JSON object of keys and values: a joining
/// machine gets it from the server.
std::string cluster_settings(const Config& config);
/// The configuration with these settings, but for what was given on this machine.
Config with_cluster_settings(Config config, std::string_view settings);

}  // namespace tetrarch::app
