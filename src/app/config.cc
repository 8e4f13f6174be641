// SPDX-License-Identifier: Apache-2.0
#include "app/config.h"

#include <array>
#include <charconv>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "app/machine.h"
#include "object/document.h"
#include "object/writer.h"

namespace tetrarch::app {
namespace {

const ConfigKey* find_key(std::string_view name) {
  for (const ConfigKey& key : config_keys()) {
    if (key.name == name) {
      return &key;
    }
  }
  return nullptr;
}

Status assign(Config& config, const ConfigKey& key, const std::string& value) {
  if (key.text != nullptr) {
    auto& text = config.*key.text;
    text = key.repeats && config.given.contains(std::string(key.name)) ? text + "," + value : value;
    return ok();
  }
  int number = 0;
  const auto [rest, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc{} || rest != value.data() + value.size() || number < key.number_min) {
    return Error{Code::invalid,
                 fmt::format("{}: '{}' is not {}a positive number",
                             key.name,
                             value,
                             key.number_min == 0 ? "0 or " : "")};
  }
  config.*key.number = number;
  return ok();
}

/// Keys that the command line has set are not taken from the file.
Status read_file(Config& config) {
  const auto already_set = config.given;
  YAML::Node root;
  try {
    root = YAML::LoadFile(config.config_file);
  } catch (const YAML::Exception& e) {
    return Error{Code::invalid, fmt::format("{}: {}", config.config_file, e.what())};
  }
  if (!root.IsMap() && !root.IsNull()) {
    return Error{Code::invalid, fmt::format("{}: must be a map of keys", config.config_file)};
  }
  for (const auto& entry : root) {
    const auto name = entry.first.Scalar();
    const ConfigKey* key = find_key(name);
    if (key == nullptr || name == "config") {
      return Error{Code::invalid, fmt::format("{}: unknown key '{}'", config.config_file, name)};
    }
    if (!entry.second.IsScalar()) {
      return Error{Code::invalid,
                   fmt::format("{}: {} must be a plain value", config.config_file, name)};
    }
    if (!already_set.contains(name)) {
      TRY_STATUS(assign(config, *key, entry.second.Scalar()));
      config.given.insert(name);
    }
  }
  return ok();
}

std::vector<ConfigKey> general_keys() {
  return {
      {"data-dir", "DIR", "where everything is kept", &Config::data_dir},
      {"config", "FILE", "YAML file with these keys", &Config::config_file},
      {"api-listen", "HOST:PORT", "address of the Kubernetes API", &Config::api_listen},
      {"advertise-address",
       "IP",
       "address at which other machines reach the API",
       &Config::advertise_address},
      {"pod-cidr", "CIDR", "addresses of pods", &Config::pod_cidr},
      {"pod-transport",
       "auto|routes|vxlan",
       "how packets of pods reach other machines; auto: by routes on one segment, else in VXLAN",
       &Config::pod_transport},
      {"service-cidr", "CIDR", "addresses of services", &Config::service_cidr},
      {"service-node-ports", "FROM-TO", "ports for NodePort services", &Config::service_node_ports},
      {"cluster-domain", "NAME", "DNS domain of the cluster", &Config::cluster_domain},
      {"node-name",
       "NAME",
       "name of this machine's Node; default: its host name",
       &Config::node_name},
      {"node-labels", "A=B,…", "labels of this machine's Node", &Config::node_labels},
      {"node-taints", "K=V:EFFECT,…", "taints that a new Node starts with", &Config::node_taints},
      {"log-level", "LEVEL", "debug, info, warn or error", &Config::log_level},
      {"server", "URL", "agent: the server to join, https://host:port", &Config::server},
      {"token", "TOKEN", "agent: the join token", &Config::token},
      {"leave-on-stop",
       "true|false",
       "agent: when it is ended, its machine leaves the cluster; else its pods run on",
       &Config::leave_on_stop},
      {"io-threads", "N", "threads for connections", nullptr, &Config::io_threads},
      {"max-pods", "N", "most pods on this machine", nullptr, &Config::max_pods},
      {"certificate-seconds",
       "N",
       "how long certificates that the server signs for others last",
       nullptr,
       &Config::certificate_seconds},
      {"container-log-max-size",
       "BYTES",
       "a container's log is rotated at this size",
       &Config::container_log_max_size},
      {"container-log-max-files",
       "N",
       "files kept of a container's log",
       nullptr,
       &Config::container_log_max_files},
  };
}

/// When a node removes images that it does not use.
std::vector<ConfigKey> image_keys() {
  return {
      {"image-gc-high-threshold",
       "PERCENT",
       "disk usage from which unused images are removed",
       nullptr,
       &Config::image_gc_high_threshold},
      {"image-gc-low-threshold",
       "PERCENT",
       "disk usage down to which unused images are removed",
       nullptr,
       &Config::image_gc_low_threshold},
      {"image-gc-minimum-age",
       "SECONDS",
       "an image unused for less is not removed",
       nullptr,
       &Config::image_gc_minimum_age,
       false,
       0},
      {"image-gc-maximum-age",
       "SECONDS",
       "an image unused for longer is removed, however full the disk is; 0: never",
       nullptr,
       &Config::image_gc_maximum_age,
       false,
       0},
  };
}

/// What the node runs by itself, and when it runs short.
std::vector<ConfigKey> node_keys() {
  return {
      {"registry-mirrors",
       "HOST=URL,…",
       "where this machine looks for a registry's images before the registry; *: for all others",
       &Config::registry_mirrors},
      {"blob-port",
       "PORT",
       "where this machine gives blobs of the cluster's images to others; 0: they get them through "
       "a server",
       nullptr,
       &Config::blob_port,
       false,
       0},
      {"registry-gc-grace",
       "SECONDS",
       "what no tag of the cluster's image registry leads to is kept for this long",
       nullptr,
       &Config::registry_gc_grace},
      {"static-pods",
       "DIR",
       "manifests of pods that this node runs with or without a server; default: "
       "DATA-DIR/manifests",
       &Config::static_pods},
      {"systemd-bus",
       "ADDRESS",
       "message bus (or private socket) of the systemd that runs this machine's units; none: it "
       "runs none",
       &Config::systemd_bus},
      {"metadata",
       "K=V,…",
       "what fleet units may ask of this machine with MachineMetadata",
       &Config::metadata},
      {"eviction-hard",
       "SIGNAL<AMOUNT,…",
       "what must stay free of memory, disks and processes; below it pods have to go",
       &Config::eviction_hard},
      {"shutdown-grace",
       "PRIORITY=SECONDS,…",
       "how long pods from this priority on may take when the machine is shut down, 0=20 for all; "
       "default: it does not wait for them",
       &Config::shutdown_grace},
      {"eviction-pressure-transition-period",
       "SECONDS",
       "how long the node is said to be short after it last was",
       nullptr,
       &Config::eviction_pressure_transition_period},
  };
}

/// What the API does with requests.
std::vector<ConfigKey> api_keys() {
  return {
      {"fleet-listen",
       "unix:///PATH|HOST:PORT",
       "where else fleet's API listens, without TLS; more than once, or comma-separated",
       &Config::fleet_listen,
       nullptr,
       true},
      {"audit-policy-file",
       "FILE",
       "which requests are logged: a Policy of audit.k8s.io/v1",
       &Config::audit_policy_file},
      {"audit-log-path",
       "FILE",
       "where they are logged, a JSON line each",
       &Config::audit_log_path},
      {"audit-log-maxsize",
       "MB",
       "the audit log is rotated at this size",
       nullptr,
       &Config::audit_log_maxsize},
      {"audit-log-maxbackup",
       "N",
       "rotated audit logs that are kept; 0: all",
       nullptr,
       &Config::audit_log_maxbackup,
       false,
       0},
      {"audit-log-maxage",
       "DAYS",
       "rotated audit logs are removed after so long; 0, the default: never",
       nullptr,
       &Config::audit_log_maxage,
       false,
       0},
      {"max-requests-inflight",
       "N",
       "requests served at a time; more wait for their turn",
       nullptr,
       &Config::max_requests_inflight},
      {"watch-history",
       "N",
       "changes that a watch can resume from; a longer one takes more memory",
       nullptr,
       &Config::watch_history},
  };
}

}  // namespace

const std::vector<ConfigKey>& config_keys() {
  static const std::vector<ConfigKey> keys = [] {
    auto out = general_keys();
    for (const auto& more : {image_keys(), node_keys(), api_keys()}) {
      out.insert(out.end(), more.begin(), more.end());
    }
    return out;
  }();
  return keys;
}

Result<Config> read_config(const std::vector<std::string>& arguments,
                           std::vector<std::string>& rest) {
  Config config;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (!word.starts_with("--")) {
      rest.push_back(word);
      continue;
    }
    const auto equals = word.find('=');
    const auto name = word.substr(2, equals == std::string::npos ? equals : equals - 2);
    const ConfigKey* key = find_key(name);
    if (key == nullptr) {
      rest.push_back(word);
      continue;
    }
    if (equals == std::string::npos && i + 1 >= arguments.size()) {
      return Error{Code::invalid, fmt::format("--{} needs a value", name)};
    }
    TRY_STATUS(assign(
        config, *key, equals == std::string::npos ? arguments[++i] : word.substr(equals + 1)));
    config.given.emplace(key->name);
  }
  if (!config.config_file.empty()) {
    TRY_STATUS(read_file(config));
  }
  if (config.node_name.empty()) {
    config.node_name = host_name();
  }
  return config;
}

namespace {

constexpr std::array<std::string_view, 3> kOfCluster{"pod-cidr", "service-cidr", "cluster-domain"};

}  // namespace

std::string cluster_settings(const Config& config) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object();
  for (const auto name : kOfCluster) {
    writer.field(name, config.*find_key(name)->text);
  }
  writer.end_object();
  return out;
}

Config with_cluster_settings(Config config, std::string_view settings) {
  const auto document = Document::parse(settings);
  for (const auto name : kOfCluster) {
    const auto value = document.ok() ? (*document)->root()[name].string() : std::string_view();
    if (!value.empty() && !config.given.contains(std::string(name))) {
      config.*find_key(name)->text = value;
    }
  }
  return config;
}

}  // namespace tetrarch::app
