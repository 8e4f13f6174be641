// SPDX-License-Identifier: Apache-2.0
// DnsServer: the node's name server: cluster names from the zone, everything else from the
// machine's own servers. Lives on the strand of whoever calls start(), which is the strand that
// changes the zone's tables.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/network/dns_zone.h"
#include "async/task.h"
#include "base/random.h"
#include "base/result.h"

namespace tetrarch::agent::network {

struct DnsOptions {
  std::string address;
  std::uint16_t port = 53;             ///< 0: any, for tests
  std::vector<std::string> upstreams;  ///< "address" or "address:port", asked in this order
};

class DnsServer {
 public:
  /// `zone` outlives the server.
  DnsServer(DnsOptions options, const DnsZone& zone, Random& random);
  ~DnsServer();
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;

  /// Binds UDP and TCP; Code::unavailable where the address is taken.
  Status start(asio::any_io_executor strand);
  Task<void> stop();
  std::uint16_t port() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The IPv4 name servers of a resolv.conf, less `except`.
std::vector<std::string> read_upstreams(const std::string& resolv_conf, const std::string& except);

}  // namespace tetrarch::agent::network
