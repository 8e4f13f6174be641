// SPDX-License-Identifier: Apache-2.0
#include "agent/network/sticky_rules.h"

#include <set>

#include <fmt/format.h>

namespace tetrarch::agent::network {
namespace {

/// What a client is found by: as it asked, before anything was translated.
constexpr const char* kAsked =
    "ct original ip saddr . ct original ip daddr . ct original proto-dst";

/// Where the packet goes now.
std::string endpoint(std::string_view protocol) {
  return fmt::format("ip daddr . {} dport", protocol);
}

}  // namespace

std::string Recall::name() const {
  return fmt::format("recall_{}_{}_{}", is_inside ? "inside" : "outside", protocol, seconds);
}

NamedSet client_map(std::string_view protocol) {
  return {fmt::format("clients_{}", protocol),
          "map",
          fmt::format("typeof ip saddr . ip daddr . {0} dport : ip daddr . {0} dport; "
                      "flags dynamic,timeout; size {1};",
                      protocol,
                      kStickyClientsMax)};
}

NamedSet set_of(const Recall& recall) {
  return {recall.name(),
          "set",
          fmt::format("typeof {0}{1} dport . ip daddr . {1} dport;",
                      recall.is_inside ? "ip daddr . " : "",
                      recall.protocol)};
}

std::string lead_known_client(std::string_view protocol) {
  return fmt::format("dnat ip addr . port to ip saddr . ip daddr . {0} dport map @clients_{0}",
                     protocol);
}

/// In a full map the rule ends here, and the packet goes on as if it had been remembered. What is
/// in the map already keeps its endpoint and lasts as long again.
std::vector<std::string> remember(const Recall& recall) {
  return {fmt::format("meta l4proto {0} update @clients_{0} {{ {1} timeout {2}s : {3} }}",
                      recall.protocol,
                      kAsked,
                      recall.seconds,
                      endpoint(recall.protocol))};
}

std::vector<std::string> recall_all(const std::vector<Recall>& present) {
  std::vector<std::string> rules;
  std::set<std::string> protocols;
  for (const Recall& recall : present) {
    protocols.insert(recall.protocol);
    rules.push_back(fmt::format("meta l4proto {0} {1}ct original proto-dst . {2} @{3} goto {3}",
                                recall.protocol,
                                recall.is_inside ? "ct original ip daddr . " : "",
                                endpoint(recall.protocol),
                                recall.name()));
  }
  // Was led to an endpoint that the service has no more: by the map, where we have not looked yet.
  for (const auto& protocol : protocols) {
    rules.push_back(fmt::format("meta l4proto {0} delete @clients_{0} {{ {1} : {2} }}",
                                protocol,
                                kAsked,
                                endpoint(protocol)));
  }
  return rules;
}

}  // namespace tetrarch::agent::network
