// SPDX-License-Identifier: Apache-2.0
#include "agent/network/service_table.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/ipv4.h"
#include "schema/views/core.h"
#include "schema/views/discovery.h"

namespace tetrarch::agent::network {
namespace {

// Source: Kubernetes API reference, ServiceSpec.sessionAffinityConfig: the default is three hours.
constexpr std::int64_t kAffinityDefault = 10800;

std::string lower(std::string_view text) {
  std::string out(text.empty() ? "tcp" : text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  return out;
}

std::uint16_t to_port(std::int64_t number) {
  return static_cast<std::uint16_t>(number);
}

std::string path(const Key& key) {
  return key.ns + "/" + key.name;
}

std::vector<Target> only_local(const std::vector<Target>& targets) {
  std::vector<Target> out;
  std::copy_if(targets.begin(), targets.end(), std::back_inserter(out), [](const Target& t) {
    return t.is_local;
  });
  return out;
}

bool is_ready(const views::EndpointView& endpoint) {
  return !endpoint.conditions().has_ready() || endpoint.conditions().ready();
}

bool is_serving_while_ending(const views::EndpointView& endpoint) {
  return endpoint.conditions().serving() && endpoint.conditions().terminating();
}

/// Of one service port.
struct Candidates {
  std::vector<Target> ready;
  std::vector<Target> ending;  ///< but they still serve
};

/// Those in one slice.
void collect(const views::EndpointSliceView& slice,
             const ServicePort& port,
             std::string_view node_name,
             Candidates& out) {
  std::int64_t number = 0;
  for (const auto candidate : slice.ports()) {
    if (candidate.name() == port.name && lower(candidate.protocol()) == port.protocol) {
      number = candidate.port();
    }
  }
  if (number == 0 || slice.address_type() != "IPv4") {
    return;
  }
  for (const auto endpoint : slice.endpoints()) {
    for (const std::string_view address : endpoint.addresses()) {
      const Target target{std::string(address), to_port(number), endpoint.node_name() == node_name};
      if (is_ready(endpoint)) {
        out.ready.push_back(target);
      } else if (is_serving_while_ending(endpoint)) {
        out.ending.push_back(target);
      }
    }
  }
}

using Slices = std::map<std::string, DocumentPtr>;

/// Those that are ready, else those that are ending: a service that loses its last pod serves as
/// long as that one does. Source: Kubernetes documentation, "Service: traffic to terminating
/// endpoints".
std::vector<Target> chosen(Candidates from) {
  auto& out = from.ready.empty() ? from.ending : from.ready;
  std::sort(out.begin(), out.end());
  // One address counts once, also where two slices name another node for it for a moment.
  const auto is_same = [](const Target& one, const Target& other) {
    return one.address == other.address && one.port == other.port;
  };
  out.erase(std::unique(out.begin(), out.end(), is_same), out.end());
  return std::move(out);
}

void find_targets(const Slices& slices, std::string_view node_name, ServicePort& port) {
  Candidates all;
  for (const auto& [name, slice] : slices) {
    collect(views::EndpointSliceView(slice->root()), port, node_name, all);
  }
  if (port.is_local_inside || port.is_local_outside) {
    // Ready ones elsewhere are no help to who is kept to this node. Source: KEP-1669.
    port.local_targets = chosen({only_local(all.ready), only_local(all.ending)});
  }
  port.targets = chosen(std::move(all));
}

/// All but whose it is, and its targets.
ServicePort port_of(const views::ServiceSpecView& spec, const views::ServicePortView& view) {
  ServicePort port;
  port.name = view.name();
  port.protocol = lower(view.protocol());
  port.port = to_port(view.port());
  port.address = spec.cluster_ip();
  for (const std::string_view address : spec.external_ips()) {
    auto& known = port.external_addresses;
    if (address != port.address && std::find(known.begin(), known.end(), address) == known.end()) {
      known.emplace_back(address);
    }
  }
  port.node_port = to_port(view.node_port());
  if (spec.session_affinity() == "ClientIP") {
    const auto seconds = spec.session_affinity_config().client_ip().timeout_seconds();
    port.affinity_s = seconds > 0 ? seconds : kAffinityDefault;
  }
  port.is_local_inside = spec.internal_traffic_policy() == "Local";
  port.is_local_outside = spec.external_traffic_policy() == "Local";
  return port;
}

}  // namespace

std::string ServicePort::id() const {
  return fmt::format("{}:{}:{}", service, port, protocol);
}

const std::vector<Target>& ServicePort::inside() const {
  return is_local_inside ? local_targets : targets;
}

const std::vector<Target>& ServicePort::outside() const {
  return is_local_outside ? local_targets : targets;
}

const std::vector<Target>& ServicePort::behind(std::string_view asked) const {
  return asked == address ? inside() : outside();
}

bool has_target(const std::vector<Target>& targets, std::uint32_t address, std::uint16_t port) {
  const auto text = ipv4_text(address);
  return std::any_of(targets.begin(), targets.end(), [&](const Target& target) {
    return target.port == port && target.address == text;
  });
}

void ServiceTable::put_slice(const Change& change) {
  const auto slice = path(change.key);
  if (const auto known = service_of_slice_.find(slice); known != service_of_slice_.end()) {
    auto& slices = slices_.at(known->second);
    slices.erase(slice);
    if (slices.empty()) {
      slices_.erase(known->second);
    }
    service_of_slice_.erase(known);
  }
  if (change.document) {
    // Source: Kubernetes documentation, "EndpointSlices", label kubernetes.io/service-name.
    const auto labels = views::EndpointSliceView(change.document->root()).metadata().labels();
    const auto service =
        fmt::format("{}/{}", change.key.ns, labels.find("kubernetes.io/service-name"));
    slices_[service][slice] = change.document;
    service_of_slice_[slice] = service;
  }
}

namespace {

void put(std::map<std::string, DocumentPtr>& all, const Change& change) {
  if (change.document) {
    all[path(change.key)] = change.document;
  } else {
    all.erase(path(change.key));
  }
}

}  // namespace

void ServiceTable::apply(const std::vector<Change>& changes, bool is_whole) {
  std::set<std::string> touched;
  if (is_whole) {
    for (const auto& [service, document] : services_) {
      touched.insert(service);
    }
    services_.clear();
    slices_.clear();
    service_of_slice_.clear();
    pods_.clear();
  }
  bool has_pods = is_whole;
  for (const Change& change : changes) {
    if (change.key.resource == "services") {
      touched.insert(path(change.key));
      put(services_, change);
    } else if (change.key.resource == "endpointslices.discovery.k8s.io") {
      const auto before = service_of_slice_.find(path(change.key));
      touched.insert(before == service_of_slice_.end() ? std::string() : before->second);
      put_slice(change);
      const auto after = service_of_slice_.find(path(change.key));
      touched.insert(after == service_of_slice_.end() ? std::string() : after->second);
    } else if (change.key.resource == "pods") {
      has_pods = true;
      put(pods_, change);
    }
  }
  for (const std::string& service : touched) {
    derive(service);
  }
  if (has_pods) {
    derive_host_ports();
  }
}

void ServiceTable::touch_all() {
  for (const auto& [id, port] : ports_) {
    touched_.insert(id);
  }
}

void ServiceTable::derive(const std::string& service) {
  if (const auto former = ids_.extract(service)) {
    for (const std::string& id : former.mapped()) {
      ports_.erase(id);
      touched_.insert(id);
    }
  }
  health_ports_.erase(service);
  file_addresses(service);
  if (const auto found = services_.find(service); found != services_.end()) {
    derive_ports(service, *found->second);
  }
}

/// Pods, however many ports of them are behind the service.
std::size_t ServiceTable::ready_here(const std::string& service) const {
  std::set<std::string> addresses;
  for (const Endpoint& endpoint : endpoints(service)) {
    if (endpoint.is_ready && endpoint.is_local) {
      addresses.insert(endpoint.address);
    }
  }
  return addresses.size();
}

void ServiceTable::file_addresses(const std::string& service) {
  if (const auto former = addresses_.extract(service)) {
    for (const auto& address : former.mapped()) {
      by_address_.erase({address, service});
    }
  }
  const auto found = services_.find(service);
  if (found == services_.end()) {
    return;
  }
  auto& addresses = addresses_[service];
  const auto own = views::ServiceView(found->second->root()).spec().cluster_ip();
  if (own == "None") {
    for (const Endpoint& endpoint : endpoints(service)) {
      addresses.push_back(endpoint.address);
    }
  } else if (!own.empty()) {
    addresses.emplace_back(own);
  }
  for (const auto& address : addresses) {
    by_address_.emplace(address, service);
  }
}

std::vector<std::string> ServiceTable::services_at(const std::string& address) const {
  std::vector<std::string> out;
  for (auto at = by_address_.lower_bound({address, ""});
       at != by_address_.end() && at->first == address;
       ++at) {
    out.push_back(at->second);
  }
  return out;
}

void ServiceTable::derive_ports(const std::string& service, const Document& document) {
  const auto spec = views::ServiceView(document.root()).spec();
  if (spec.cluster_ip().empty() || spec.cluster_ip() == "None" || spec.type() == "ExternalName") {
    return;
  }
  if (spec.external_traffic_policy() == "Local" && spec.health_check_node_port() != 0) {
    health_ports_[service] = {to_port(spec.health_check_node_port()), ready_here(service)};
  }
  static const Slices kNone;
  const auto known = slices_.find(service);
  const auto& slices = known == slices_.end() ? kNone : known->second;
  for (const auto view : spec.ports()) {
    auto port = port_of(spec, view);
    port.service = service;
    find_targets(slices, node_name_, port);
    ids_[service].push_back(port.id());
    touched_.insert(port.id());
    ports_.insert_or_assign(port.id(), std::move(port));
  }
}

namespace {

void add_host_ports(const views::ContainerView& container,
                    std::string_view pod_address,
                    std::set<PodHostPort>& out) {
  for (const auto port : container.ports()) {
    if (port.host_port() != 0) {
      out.insert({lower(port.protocol()),
                  std::string(port.host_ip() == "0.0.0.0" ? "" : port.host_ip()),
                  to_port(port.host_port()),
                  std::string(pod_address),
                  to_port(port.container_port())});
    }
  }
}

}  // namespace

void ServiceTable::derive_host_ports() {
  host_ports_.clear();
  for (const auto& [name, document] : pods_) {
    const views::PodView pod(document->root());
    const bool is_over = pod.status().phase() == "Succeeded" || pod.status().phase() == "Failed";
    if (pod.spec().host_network() || pod.status().pod_ip().empty() || is_over) {
      continue;
    }
    for (const auto container : pod.spec().containers()) {
      add_host_ports(container, pod.status().pod_ip(), host_ports_);
    }
    for (const auto container : pod.spec().init_containers()) {
      if (container.restart_policy() == "Always") {  // a sidecar, which stays
        add_host_ports(container, pod.status().pod_ip(), host_ports_);
      }
    }
  }
}

std::vector<Endpoint> ServiceTable::endpoints(const std::string& service) const {
  std::vector<Endpoint> out;
  const auto found = slices_.find(service);
  if (found == slices_.end()) {
    return out;
  }
  for (const auto& [name, document] : found->second) {
    const views::EndpointSliceView slice(document->root());
    for (const auto view : slice.endpoints()) {
      for (const std::string_view address : view.addresses()) {
        Endpoint endpoint{std::string(address), std::string(view.hostname())};
        endpoint.is_ready = is_ready(view);
        endpoint.is_local = view.node_name() == node_name_;
        for (const auto port : slice.ports()) {
          endpoint.ports[fmt::format("{}/{}", port.name(), lower(port.protocol()))] =
              to_port(port.port());
        }
        out.push_back(std::move(endpoint));
      }
    }
  }
  return out;
}

}  // namespace tetrarch::agent::network
