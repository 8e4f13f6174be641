// SPDX-License-Identifier: Apache-2.0
// DnsZone: answers for the names of the cluster, from the service tables. Pure.
// Source: Kubernetes DNS-Based Service Discovery, specification 1.1.0.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/network/service_table.h"
#include "base/ipv4.h"

namespace tetrarch::agent::network {

enum class RecordType : std::uint8_t { a, aaaa, srv, ptr, cname, txt, soa, ns, any, other };

/// One resource record; names are absolute, without the last dot.
struct Record {
  std::string name;
  RecordType type = RecordType::a;
  std::string
      data;  ///< the text form of its data: "10.43.0.1", "0 100 80 web.default.svc.cluster.local."
  bool operator==(const Record&) const = default;
};

struct Answer {
  bool operator==(const Answer&) const = default;
  bool exists = false;  ///< false: NXDOMAIN. True without records: no data of that type
  std::vector<Record> records;
  std::vector<Record> additional;
};

struct ZoneOptions {
  std::string domain = "cluster.local";
  Ipv4Range pod_cidr;  ///< of the cluster
  Ipv4Range service_cidr;
  std::string dns_address;
};

/// The name that an answer to a question for addresses ends with where it is an alias; else empty.
std::string open_alias(const Answer& answer, RecordType type);

class DnsZone {
 public:
  DnsZone(ZoneOptions options, const ServiceTable& table)
      : options_(std::move(options)), table_(table) {}

  /// nullopt: not a name of the cluster; ask elsewhere. `name` in any case, with or without the
  /// last dot. An alias is followed as far as names of the cluster go.
  std::optional<Answer> answer(std::string_view name, RecordType type) const;

  const std::string& domain() const { return options_.domain; }

 private:
  std::optional<Answer> answer_name(const std::string& name, RecordType type) const;
  Answer answer_service(const std::vector<std::string>& labels,
                        const std::string& name,
                        RecordType type) const;
  Answer answer_addresses(const std::string& service,
                          const std::string& host,
                          const std::string& name,
                          RecordType type) const;
  /// `port`: "name/protocol"; nullopt: all that there are.
  Answer answer_srv(const std::string& service,
                    const std::optional<std::string>& port,
                    const std::string& name,
                    RecordType type) const;
  Answer answer_pod(const std::vector<std::string>& labels,
                    const std::string& name,
                    RecordType type) const;
  std::optional<Answer> answer_reverse(const std::string& name, RecordType type) const;
  std::string endpoint_host(const Endpoint& endpoint) const;
  std::string service_domain(const std::string& service) const;

  ZoneOptions options_;
  const ServiceTable& table_;
};

}  // namespace tetrarch::agent::network
