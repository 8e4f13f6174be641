// SPDX-License-Identifier: Apache-2.0
// Services, their slices and pods for the tests and the benchmark of their rules, written out and
// by chance. Only those include it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "agent/network/service_rules.h"
#include "base/check.h"

namespace tetrarch::agent::network {

inline NftOptions an_nft() {
  return {"t",
          "b",
          *Ipv4Range::parse("10.42.0.0/24"),
          *Ipv4Range::parse("10.42.0.0/16"),
          *Ipv4Range::parse("10.43.0.0/16"),
          "10.43.0.10",
          "tetv-ab12cd"};
}

inline Change put(std::string resource, std::string name, std::string_view json) {
  auto document = Document::parse(json);
  CHECK(document.ok());
  return {{std::move(resource), "default", std::move(name)}, *document};
}

/// Endpoints behind a service's only port, as JSON.
inline Change slice(const std::string& service, const std::string& endpoints) {
  return put(
      "endpointslices.discovery.k8s.io",
      service + "-1",
      fmt::format(
          R"({{"metadata":{{"labels":{{"kubernetes.io/service-name":"{}"}}}},"addressType":"IPv4",)"
          R"("ports":[{{"name":"","port":8080,"protocol":"TCP"}},)"
          R"({{"name":"","port":8080,"protocol":"UDP"}}],"endpoints":[{}]}})",
          service,
          endpoints));
}

/// Services s0, s1, … with a node port each, all with the same endpoints; `extra`: of their specs.
inline ServiceTable many_services(int count, std::string_view extra, const std::string& endpoints) {
  ServiceTable table("n1");
  for (int i = 0; i < count; ++i) {
    const auto name = fmt::format("s{}", i);
    table.apply({put("services",
                     name,
                     fmt::format(R"({{"spec":{{"clusterIP":"10.43.{}.{}","ports":[{{"port":80,)"
                                 R"("nodePort":{}}}]{}}}}})",
                                 1 + i / 250,
                                 i % 250,
                                 30000 + i,
                                 extra)),
                 slice(name, endpoints)},
                false);
  }
  return table;
}

/// What has changed in the table, as a batch.
inline std::string change_of(ServiceRules& rules, ServiceTable& table) {
  rules.update(table, table.take_touched());
  return rules.take_change();
}

/// The table as it is, made anew.
inline std::string whole_of(const NftOptions& options, const ServiceTable& table) {
  ServiceRules rules(options);
  ServiceTable copy = table;
  copy.touch_all();
  rules.update(copy, copy.take_touched());
  return rules.take_whole();
}

/// Changes by chance.
class ServiceChance {
 public:
  explicit ServiceChance(std::function<std::uint64_t()> next) : next_(std::move(next)) {}

  unsigned below(unsigned n) { return static_cast<unsigned>(next_() % n); }

  /// A service, slice or pod comes, changes or goes.
  Change change() {
    const auto name = fmt::format("s{}", below(5));
    const auto kind = below(3);
    if (below(4) == 0) {
      const Key keys[] = {{"services", "default", name},
                          {"endpointslices.discovery.k8s.io", "default", name + "-1"},
                          {"pods", "default", name}};
      return {keys[kind], nullptr};
    }
    return kind == 0 ? service(name) : kind == 1 ? endpoints(name) : pod(name);
  }

 private:
  Change service(const std::string& name) {
    constexpr const char* kExtras[] = {
        "",
        R"(,"sessionAffinity":"ClientIP")",
        R"(,"sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":60}})",
        R"(,"externalTrafficPolicy":"Local")",
        R"(,"internalTrafficPolicy":"Local")",
        R"(,"externalIPs":["192.0.2.7"])",
        R"(,"externalIPs":["192.0.2.7","192.0.2.8"],"externalTrafficPolicy":"Local")",
        R"(,"externalIPs":["10.43.0.21","192.0.2.7","2001:db8::1","192.0.2.7"])"};
    return put("services",
               name,
               fmt::format(R"({{"spec":{{"clusterIP":"10.43.0.2{}","ports":[{{"port":{},)"
                           R"("nodePort":{},"protocol":"{}"}}]{}}}}})",
                           name[1],
                           80 + below(2),
                           below(2) * (30000 + below(3)),
                           below(4) == 0 ? "UDP" : "TCP",
                           kExtras[below(8)]));
  }

  Change endpoints(const std::string& name) {
    std::string out;
    // Now and then more than have a set of their own.
    for (unsigned n = below(5) == 0 ? 15 + below(4) : below(4); n > 0; --n) {
      out += fmt::format(R"({}{{"addresses":["10.42.0.{}"],"nodeName":"n{}"}})",
                         out.empty() ? "" : ",",
                         below(50),
                         1 + below(2));
    }
    return slice(name, out);
  }

  Change pod(const std::string& name) {
    return put("pods",
               name,
               fmt::format(R"({{"spec":{{"containers":[{{"ports":[{{"containerPort":80,)"
                           R"("hostPort":{}}}]}}]}},"status":{{"podIP":"10.42.0.{}"}}}})",
                           8080 + below(2),
                           below(9)));
  }

  std::function<std::uint64_t()> next_;
};

}  // namespace tetrarch::agent::network
