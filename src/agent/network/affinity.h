// SPDX-License-Identifier: Apache-2.0
// Clients that stick to an endpoint (sessionAffinity: ClientIP), kept over a replacement of the
// whole table: the kernel knows them, and nobody else does. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace tetrarch::agent::network {

struct StickyClient {
  std::string address;
  std::int64_t left_s = 0;  ///< until it is forgotten
  bool operator==(const StickyClient&) const = default;
};

using StickyClients = std::map<std::string, std::vector<StickyClient>>;  ///< by name of the set

/// From the JSON of `nft list sets`; whatever else is in it, other tables' sets too, is left out.
StickyClients read_sticky_clients(const std::string& table, std::string_view json);

/// Clients of the table that was replaced, until their sets are there again: with the replacement,
/// or with what the feed brings a moment later where a process was killed before it had written
/// that down.
class HeldClients {
 public:
  void hold(StickyClients clients, SteadyPoint now);

  /// The commands that put clients back into those of their sets that `batch` makes.
  std::string put_back(const std::string& table, std::string_view batch, SteadyPoint now);

 private:
  StickyClients clients_;
  SteadyPoint since_;
};

}  // namespace tetrarch::agent::network
