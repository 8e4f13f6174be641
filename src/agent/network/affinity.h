// SPDX-License-Identifier: Apache-2.0
// Clients that stick to an endpoint (sessionAffinity: ClientIP): the kernel knows them, and nobody
// else does. Here: which of them are led to where their service is no more, and the commands that
// put them into a table, or take them out. Pure; client_map.h reads them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/network/service_rules.h"
#include "base/clock.h"

namespace tetrarch::agent::network {

/// Addresses in host byte order, as in ipv4.h.
struct StickyClient {
  std::uint32_t client = 0;
  std::uint32_t asked = 0;  ///< the address that it sends to
  std::uint16_t asked_port = 0;
  std::uint32_t endpoint = 0;
  std::uint16_t endpoint_port = 0;
  std::int64_t left_s = 0;  ///< until it is forgotten
  bool operator==(const StickyClient&) const = default;
};

using StickyClients = std::map<std::string, std::vector<StickyClient>>;  ///< by protocol

/// Those of one protocol that are led to what is not behind what they ask, or does not stick.
std::vector<StickyClient> stray_clients(const ServiceRules& rules,
                                        const std::string& protocol,
                                        const std::vector<StickyClient>& clients);

/// Batches that take clients out, each of some: one fails where the kernel has led one of its
/// clients elsewhere meanwhile, but not where it has forgotten one.
std::vector<std::string> forget_clients(const std::string& table,
                                        std::string_view protocol,
                                        const std::vector<StickyClient>& clients);

/// Clients of the table that was replaced, until there is a map for them again: with the
/// replacement, or with what the feed brings a moment later where a process was killed before it
/// had written that down.
class HeldClients {
 public:
  void hold(StickyClients clients, SteadyPoint now);

  /// Commands that put clients back into those of their maps that `batch` makes: to be run with it,
  /// and, one by one, after it.
  std::vector<std::string> put_back(const std::string& table,
                                    std::string_view batch,
                                    SteadyPoint now);

 private:
  StickyClients clients_;
  SteadyPoint since_;
};

}  // namespace tetrarch::agent::network
