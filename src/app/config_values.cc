// SPDX-License-Identifier: Apache-2.0
#include "app/config_values.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "agent/pressure.h"
#include "base/trim.h"
#include "object/names.h"
#include "object/quantity.h"

namespace tetrarch::app {
namespace {

/// Ours: each node is given a /24 of the pod range.
constexpr int kNodeBits = 24;
/// Room for the fixed addresses, the tenth of which is DNS.
constexpr int kServiceBitsMax = 28;
constexpr Ipv4Range kLoopback{0x7f000000, 8};
constexpr std::uint32_t kKubernetesPlace = 1;
constexpr std::uint32_t kDnsPlace = 10;

Error bad_value(std::string_view key, std::string_view value, std::string_view wanted) {
  return {Code::invalid, fmt::format("{}: '{}' is not {}", key, value, wanted)};
}

std::vector<std::string_view> split(std::string_view text, char by) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const auto at = text.find(by);
    if (at != 0) {
      out.push_back(text.substr(0, at));
    }
    text = at == std::string_view::npos ? std::string_view() : text.substr(at + 1);
  }
  return out;
}

/// -1 for what is no port.
int parse_port(std::string_view text) {
  int port = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool is_whole = error == std::errc{} && rest == text.data() + text.size();
  return is_whole && port >= 0 && port <= 65535 ? port : -1;
}

Status check_audit(const Config& config) {
  if (config.audit_log_path.empty() == config.audit_policy_file.empty()) {
    return ok();
  }
  return Error{Code::invalid,
               "audit-policy-file says what is logged and audit-log-path where: set both"};
}

Status check_ranges(const Config& config) {
  const auto pods = Ipv4Range::parse(config.pod_cidr);
  if (!pods.ok()) {
    return Error{Code::invalid, "pod-cidr: " + pods.error().message};
  }
  const auto services = Ipv4Range::parse(config.service_cidr);
  if (!services.ok()) {
    return Error{Code::invalid, "service-cidr: " + services.error().message};
  }
  if (pods->bits > kNodeBits) {
    return bad_value("pod-cidr", config.pod_cidr, "large enough: each node takes a /24 of it");
  }
  if (services->bits > kServiceBitsMax) {
    return bad_value("service-cidr", config.service_cidr, "large enough: at least a /28");
  }
  if (pods->overlaps(*services)) {
    return Error{
        Code::invalid,
        fmt::format(
            "pod-cidr {} and service-cidr {} overlap", config.pod_cidr, config.service_cidr)};
  }
  return ok();
}

Status check_names(const Config& config) {
  if (!object::dns_subdomain_faults(config.node_name).empty()) {
    return bad_value("node-name",
                     config.node_name,
                     "a name of lower-case letters, digits, '-' and '.'; give --node-name");
  }
  if (!object::dns_subdomain_faults(config.cluster_domain).empty()) {
    return bad_value("cluster-domain", config.cluster_domain, "a DNS domain");
  }
  if (config.systemd_bus != "none" && config.systemd_bus.find(':') == std::string::npos) {
    return bad_value("systemd-bus",
                     config.systemd_bus,
                     "the address of a bus, as unix:path=/run/dbus/system_bus_socket, or none");
  }
  if (config.leave_on_stop != "true" && config.leave_on_stop != "false") {
    return bad_value("leave-on-stop", config.leave_on_stop, "true or false");
  }
  if (config.pod_transport != "auto" && config.pod_transport != "routes" &&
      config.pod_transport != "vxlan") {
    return bad_value("pod-transport", config.pod_transport, "auto, routes or vxlan");
  }
  if (!config.advertise_address.empty() && !parse_ipv4(config.advertise_address)) {
    return bad_value("advertise-address", config.advertise_address, "an IPv4 address");
  }
  if (!config.server.empty() && !config.server.starts_with("https://")) {
    return bad_value("server", config.server, "of the form https://host:port");
  }
  return ok();
}

bool is_ip_address(const std::string& text) {
  in6_addr ignored{};
  return parse_ipv4(text) || inet_pton(AF_INET6, text.c_str(), &ignored) == 1;
}

std::string service_address(const Config& config, std::uint32_t place) {
  return ipv4_text(Ipv4Range::parse(config.service_cidr)->at(place));
}

}  // namespace

std::vector<std::string> list_of(std::string_view text) {
  std::vector<std::string> out;
  for (const auto part : split(text, ',')) {
    if (!part.empty()) {
      out.emplace_back(part);
    }
  }
  return out;
}

Result<HostPort> parse_listen(std::string_view text, std::string_view key) {
  const auto colon = text.rfind(':');
  const int port = colon == std::string_view::npos ? -1 : parse_port(text.substr(colon + 1));
  if (port < 0) {
    return bad_value(key, text, "host:port");
  }
  const auto host = colon == 0 ? std::string_view("0.0.0.0") : text.substr(0, colon);
  return HostPort{std::string(host), static_cast<std::uint16_t>(port)};
}

Result<PortRange> parse_port_range(std::string_view text) {
  const auto dash = text.find('-');
  const PortRange out{
      parse_port(text.substr(0, dash)),
      dash == std::string_view::npos ? -1 : parse_port(text.substr(dash + 1)),
  };
  if (out.min <= 0 || out.max < out.min) {
    return bad_value("service-node-ports", text, "FROM-TO");
  }
  return out;
}

Result<std::map<std::string, std::vector<std::string>>> parse_mirrors(std::string_view text) {
  std::map<std::string, std::vector<std::string>> out;
  for (const auto mirror : split(text, ',')) {
    const auto equals = mirror.find('=');
    const auto host = mirror.substr(0, equals);
    const auto url = equals == std::string_view::npos ? "" : mirror.substr(equals + 1);
    const bool is_url = url.starts_with("https://") || url.starts_with("http://");
    if (host.empty() || host.find('/') != std::string_view::npos || !is_url) {
      return bad_value("registry-mirrors",
                       mirror,
                       "of the form docker.io=https://mirror.example, or *=https://…");
    }
    out[std::string(host)].emplace_back(url);
  }
  return out;
}

Result<std::map<std::string, std::string>> parse_labels(std::string_view text) {
  std::map<std::string, std::string> out;
  for (const auto label : split(text, ',')) {
    const auto equals = label.find('=');
    const auto key = label.substr(0, equals);
    const auto value =
        equals == std::string_view::npos ? std::string_view() : label.substr(equals + 1);
    if (!object::label_key_faults(key).empty() || !object::label_value_faults(value).empty()) {
      return bad_value("node-labels", label, "a label of the form key=value");
    }
    out[std::string(key)] = value;
  }
  return out;
}

/// Ours: fleet drops what has no '='.
Result<std::map<std::string, std::string>> parse_metadata(std::string_view text) {
  std::map<std::string, std::string> out;
  for (const auto entry : split(text, ',')) {
    const auto equals = entry.find('=');
    const auto key = trim(entry.substr(0, equals));
    if (equals == std::string_view::npos || key.empty()) {
      return bad_value("metadata", entry, "of the form key=value");
    }
    out[std::string(key)] = trim(entry.substr(equals + 1));
  }
  return out;
}

Result<std::vector<agent::Taint>> parse_taints(std::string_view text) {
  constexpr std::array<std::string_view, 3> kEffects = {
      "NoSchedule", "PreferNoSchedule", "NoExecute"};
  std::vector<agent::Taint> out;
  for (const auto entry : split(text, ',')) {
    const auto colon = entry.rfind(':');
    const auto pair = entry.substr(0, colon);
    const auto equals = pair.find('=');
    const auto effect =
        colon == std::string_view::npos ? std::string_view() : entry.substr(colon + 1);
    if (!object::label_key_faults(pair.substr(0, equals)).empty() ||
        std::ranges::find(kEffects, effect) == kEffects.end()) {
      return bad_value(
          "node-taints", entry, "key=value:NoSchedule, :PreferNoSchedule or :NoExecute");
    }
    const auto value =
        equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
    out.push_back({.key = std::string(pair.substr(0, equals)),
                   .value = std::string(value),
                   .effect = std::string(effect)});
  }
  return out;
}

namespace {

/// Logs and images of the node, and what it keeps free.
Status check_housekeeping(const Config& config) {
  if (const auto thresholds = agent::parse_thresholds(config.eviction_hard); !thresholds.ok()) {
    return thresholds.error();
  }
  if (const auto graces = agent::parse_shutdown_grace(config.shutdown_grace); !graces.ok()) {
    return graces.error();
  }
  const auto size = object::Quantity::parse(config.container_log_max_size);
  if (!size.ok() || size->value() < 4096) {
    return Error{
        Code::invalid,
        fmt::format("container-log-max-size: \"{}\" is no size of at least 4Ki, such as 10Mi",
                    config.container_log_max_size)};
  }
  if (config.container_log_max_files < 2) {
    return Error{Code::invalid, "container-log-max-files: at least 2"};
  }
  const int high = config.image_gc_high_threshold;
  const int low = config.image_gc_low_threshold;
  if (low < 0 || high > 100 || low > high) {
    return Error{
        Code::invalid,
        fmt::format("image-gc-low-threshold: {} and image-gc-high-threshold: {} are not two "
                    "percentages in that order",
                    low,
                    high)};
  }
  const int age_min = config.image_gc_minimum_age;
  const int age_max = config.image_gc_maximum_age;
  // Source: kubelet, imageMaximumGCAge must be greater than imageMinimumGCAge, or 0.
  if (age_min < 0 || age_max < 0 || (age_max > 0 && age_max <= age_min)) {
    return Error{Code::invalid,
                 fmt::format("image-gc-maximum-age: {} is not more than image-gc-minimum-age: {}, "
                             "nor 0",
                             age_max,
                             age_min)};
  }
  if (config.blob_port > 65535) {
    return Error{Code::invalid, fmt::format("blob-port: {} is no port", config.blob_port)};
  }
  if (config.registry_gc_grace < 1) {
    return Error{Code::invalid, "registry-gc-grace: at least one second"};
  }
  return ok();
}

}  // namespace

Status check_config(const Config& config) {
  TRY_STATUS(check_audit(config));
  TRY_STATUS(check_housekeeping(config));
  TRY_STATUS(check_ranges(config));
  TRY_STATUS(check_names(config));
  TRY(const auto api, parse_listen(config.api_listen));
  if (!is_ip_address(api.host)) {
    return bad_value("api-listen", config.api_listen, "an IP address and a port");
  }
  for (const auto& where : list_of(config.fleet_listen)) {
    if (where.starts_with("unix:///")) {
      continue;
    }
    if (const auto listen = parse_listen(where, "fleet-listen"); !listen.ok()) {
      return listen.error();
    }
  }
  if (const auto ports = parse_port_range(config.service_node_ports); !ports.ok()) {
    return ports.error();
  }
  if (const auto labels = parse_labels(config.node_labels); !labels.ok()) {
    return labels.error();
  }
  if (const auto metadata = parse_metadata(config.metadata); !metadata.ok()) {
    return metadata.error();
  }
  if (const auto taints = parse_taints(config.node_taints); !taints.ok()) {
    return taints.error();
  }
  if (const auto mirrors = parse_mirrors(config.registry_mirrors); !mirrors.ok()) {
    return mirrors.error();
  }
  return ok();
}

std::string local_host(const Config& config) {
  auto host = parse_listen(config.api_listen).value_or(HostPort{}).host;
  return host.empty() || host == "0.0.0.0" || host == "::" ? "127.0.0.1" : host;
}

std::string local_url(const Config& config, std::uint16_t port) {
  const auto host = local_host(config);
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return is_ipv6 ? fmt::format("https://[{}]:{}", host, port)
                 : fmt::format("https://{}:{}", host, port);
}

std::string advertised_host(const Config& config) {
  if (!config.advertise_address.empty()) {
    return config.advertise_address;
  }
  const auto host = local_host(config);
  const auto address = parse_ipv4(host);
  return address && !kLoopback.contains(*address) ? host : "";
}

std::string kubernetes_service_address(const Config& config) {
  return service_address(config, kKubernetesPlace);
}

std::string dns_service_address(const Config& config) {
  return service_address(config, kDnsPlace);
}

}  // namespace tetrarch::app
