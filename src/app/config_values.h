// SPDX-License-Identifier: Apache-2.0
// The values of a Config as what they mean, and the check that each means something: a mistake is
// told before anything starts. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/agent.h"
#include "app/config.h"
#include "base/ipv4.h"

namespace tetrarch::app {

struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};

struct PortRange {
  int min = 0;
  int max = 0;
};

// Each is Code::invalid with the key, the value and what it should be.
Result<HostPort> parse_listen(std::string_view text, std::string_view key = "api-listen");
/// The parts between commas; empty ones are left out.
std::vector<std::string> list_of(std::string_view text);
Result<PortRange> parse_port_range(std::string_view text);
/// a=b,c=d; a value may be empty.
Result<std::map<std::string, std::string>> parse_labels(std::string_view text);
/// k=v,k2=v2 as fleet reads them: without blanks around, the last of one key counts.
Result<std::map<std::string, std::string>> parse_metadata(std::string_view text);
/// key=value:Effect,… as kubectl taint writes them; "=value" may be missing.
Result<std::vector<agent::Taint>> parse_taints(std::string_view text);

/// HOST=URL,… in order; a HOST may stand several times, "*" for all that are not named.
Result<std::map<std::string, std::vector<std::string>>> parse_mirrors(std::string_view text);

/// Every value of a configuration, and what two of them say together.
Status check_config(const Config& config);

// Where the API is reached; api-listen has been checked.
/// On this machine: where it listens, or 127.0.0.1 where that is everywhere.
std::string local_host(const Config& config);
/// https:// with local_host, and the port that it got.
std::string local_url(const Config& config, std::uint16_t port);
/// From other machines, where the configuration says it: by advertise-address, or by listening on
/// one address that is not this machine's alone; else empty.
std::string advertised_host(const Config& config);

// The fixed addresses of the service range; the configuration has been checked.
/// Of the Service kubernetes.default.
std::string kubernetes_service_address(const Config& config);
/// Of the DNS that pods ask.
std::string dns_service_address(const Config& config);

}  // namespace tetrarch::app
