// SPDX-License-Identifier: Apache-2.0
#include "agent/network/dns_zone.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "schema/views/core.h"

namespace tetrarch::agent::network {
namespace {

constexpr int kAliasesMax = 8;

std::string normalized(std::string_view name) {
  std::string out(name.ends_with('.') ? name.substr(0, name.size() - 1) : name);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  return out;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> labels;
  while (!text.empty()) {
    const auto dot = text.find('.');
    labels.emplace_back(text.substr(0, dot));
    text = dot == std::string_view::npos ? "" : text.substr(dot + 1);
  }
  return labels;
}

bool wants(RecordType asked, RecordType have) {
  return asked == have || asked == RecordType::any;
}

bool is_headless(const views::ServiceSpecView& spec) {
  return spec.cluster_ip() == "None";
}

/// As Endpoint::ports names it.
std::string port_key(const views::ServicePortView& port) {
  return fmt::format(
      "{}/{}", port.name(), normalized(port.protocol().empty() ? "TCP" : port.protocol()));
}

}  // namespace

std::string open_alias(const Answer& answer, RecordType type) {
  const bool is_open = (type == RecordType::a || type == RecordType::aaaa) &&
                       !answer.records.empty() && answer.records.back().type == RecordType::cname;
  return is_open ? normalized(answer.records.back().data) : "";
}

std::string DnsZone::service_domain(const std::string& service) const {
  const auto slash = service.find('/');
  return fmt::format(
      "{}.{}.svc.{}", service.substr(slash + 1), service.substr(0, slash), options_.domain);
}

/// An endpoint's own label below its service: its hostname, or its address with dashes.
std::string DnsZone::endpoint_host(const Endpoint& endpoint) const {
  if (!endpoint.hostname.empty()) {
    return endpoint.hostname;
  }
  std::string host = endpoint.address;
  std::replace(host.begin(), host.end(), '.', '-');
  return host;
}

Answer DnsZone::answer_addresses(const std::string& service,
                                 const std::string& host,
                                 const std::string& name,
                                 RecordType type) const {
  const auto found = table_.services().find(service);
  if (found == table_.services().end()) {
    return {};
  }
  const auto spec = views::ServiceView(found->second->root()).spec();
  Answer out;
  if (spec.type() == "ExternalName") {
    out.exists = host.empty();
    if (host.empty()) {
      out.records.push_back({name, RecordType::cname, normalized(spec.external_name()) + "."});
    }
    return out;
  }
  if (!is_headless(spec) && host.empty()) {
    out.exists = true;
    if (wants(type, RecordType::a)) {
      out.records.push_back({name, RecordType::a, std::string(spec.cluster_ip())});
    }
    return out;
  }
  out.exists = host.empty();
  for (const Endpoint& endpoint : table_.endpoints(service)) {
    const bool is_named = !host.empty() && endpoint_host(endpoint) == host;
    const bool is_usable = endpoint.is_ready || spec.publish_not_ready_addresses();
    if (is_usable && (is_named || (host.empty() && is_headless(spec)))) {
      out.exists = true;
      if (wants(type, RecordType::a)) {
        out.records.push_back({name, RecordType::a, endpoint.address});
      }
    }
  }
  return out;
}

Answer DnsZone::answer_srv(const std::string& service,
                           const std::optional<std::string>& port,
                           const std::string& name,
                           RecordType type) const {
  const auto found = table_.services().find(service);
  if (found == table_.services().end()) {
    return {};
  }
  Answer out;
  std::set<std::string> known;  // one number may be two ports, by TCP and by UDP
  const auto domain = service_domain(service);
  const auto add = [&](std::int64_t number, const std::string& target, const std::string& address) {
    out.exists = true;
    if (!wants(type, RecordType::srv)) {
      return;
    }
    const auto data = fmt::format("0 100 {} {}.", number, target);
    if (known.insert(data).second) {
      out.records.push_back({name, RecordType::srv, data});
    }
    if (known.insert(target + " " + address).second) {
      out.additional.push_back({target, RecordType::a, address});
    }
  };
  const auto spec = views::ServiceView(found->second->root()).spec();
  if (!is_headless(spec)) {
    for (const auto view : spec.ports()) {
      if (!port || port_key(view) == *port) {
        add(view.port(), domain, std::string(spec.cluster_ip()));
      }
    }
    return out;
  }
  for (const Endpoint& endpoint : table_.endpoints(service)) {
    for (const auto& [key, number] : endpoint.ports) {
      if (endpoint.is_ready && (!port || key == *port)) {
        add(number, fmt::format("{}.{}", endpoint_host(endpoint), domain), endpoint.address);
      }
    }
  }
  return out;
}

/// labels: what stands before ".svc.<domain>".
Answer DnsZone::answer_service(const std::vector<std::string>& labels,
                               const std::string& name,
                               RecordType type) const {
  const auto n = labels.size();
  if (n < 2) {
    // A namespace, or "svc" itself: exists if anything is below it.
    const auto prefix = n == 0 ? std::string() : labels[0] + "/";
    const auto first = table_.services().lower_bound(prefix);
    const bool is_any = first != table_.services().end() && first->first.starts_with(prefix);
    return {n == 0 || is_any, {}, {}};
  }
  const auto service = fmt::format("{}/{}", labels[n - 1], labels[n - 2]);
  if (n == 4 && labels[0].starts_with('_') && labels[1].starts_with('_')) {
    const auto port = fmt::format("{}/{}", labels[0].substr(1), labels[1].substr(1));
    return answer_srv(service, port, name, type);
  }
  if (n > 3) {
    return {};
  }
  auto out = answer_addresses(service, n == 3 ? labels[0] : "", name, type);
  // Ours, as CoreDNS: the specification names no way to ask for ports without names. An alias is
  // the answer to any question.
  if (n == 2 && type == RecordType::srv && out.exists && out.records.empty()) {
    out = answer_srv(service, std::nullopt, name, type);
    out.exists = true;
  }
  return out;
}

/// Source: the same specification, section 2.3 is silent; this is the form of the `pods insecure`
/// option of CoreDNS that clusters are set up with: 10-42-0-5.default.pod.<domain>.
Answer DnsZone::answer_pod(const std::vector<std::string>& labels,
                           const std::string& name,
                           RecordType type) const {
  if (labels.size() != 2) {
    return {labels.size() < 2, {}, {}};
  }
  std::string text = labels[0];
  std::replace(text.begin(), text.end(), '-', '.');
  const auto address = parse_ipv4(text);
  if (!address || !options_.pod_cidr.contains(*address)) {
    return {};
  }
  Answer out{true, {}, {}};
  if (wants(type, RecordType::a)) {
    out.records.push_back({name, RecordType::a, text});
  }
  return out;
}

std::optional<Answer> DnsZone::answer_reverse(const std::string& name, RecordType type) const {
  auto labels = split(name.substr(0, name.size() - std::string_view(".in-addr.arpa").size()));
  std::reverse(labels.begin(), labels.end());
  const auto address = parse_ipv4(fmt::format("{}", fmt::join(labels, ".")));
  if (!address ||
      !(options_.service_cidr.contains(*address) || options_.pod_cidr.contains(*address))) {
    return std::nullopt;
  }
  const auto text = ipv4_text(*address);
  Answer out;
  const auto add = [&](const std::string& target) {
    out.exists = true;
    if (wants(type, RecordType::ptr)) {
      out.records.push_back({name, RecordType::ptr, target + "."});
    }
  };
  for (const auto& service : table_.services_at(text)) {
    const auto spec = views::ServiceView(table_.services().at(service)->root()).spec();
    if (spec.cluster_ip() == text) {
      add(service_domain(service));
    }
    if (!is_headless(spec) || !options_.pod_cidr.contains(*address)) {
      continue;
    }
    for (const Endpoint& endpoint : table_.endpoints(service)) {
      if (endpoint.address == text) {
        add(fmt::format("{}.{}", endpoint_host(endpoint), service_domain(service)));
      }
    }
  }
  return out;
}

std::optional<Answer> DnsZone::answer(std::string_view asked, RecordType type) const {
  auto out = answer_name(normalized(asked), type);
  // Resolvers of programs do not follow an alias themselves. Source: RFC 1034 section 4.3.2, step
  // 3a.
  for (int hops = 0; out && hops < kAliasesMax; ++hops) {
    const auto target = open_alias(*out, type);
    const auto more = target.empty() ? std::nullopt : answer_name(target, type);
    if (!more || more->records.empty()) {
      break;
    }
    out->records.insert(out->records.end(), more->records.begin(), more->records.end());
  }
  return out;
}

std::optional<Answer> DnsZone::answer_name(const std::string& name, RecordType type) const {
  if (name.ends_with(".in-addr.arpa")) {
    return answer_reverse(name, type);
  }
  const std::string suffix = "." + options_.domain;
  if (name == options_.domain) {
    return Answer{true, {}, {}};
  }
  if (!name.ends_with(suffix)) {
    return std::nullopt;
  }
  auto labels = split(std::string_view(name).substr(0, name.size() - suffix.size()));
  if (labels.size() == 1 && labels[0] == "dns-version") {
    Answer out{true, {}, {}};
    if (wants(type, RecordType::txt)) {
      out.records.push_back({name, RecordType::txt, "\"1.1.0\""});
    }
    return out;
  }
  const auto last = labels.back();
  labels.pop_back();
  if (last == "svc") {
    return answer_service(labels, name, type);
  }
  return last == "pod" ? answer_pod(labels, name, type) : Answer{};
}

}  // namespace tetrarch::agent::network
