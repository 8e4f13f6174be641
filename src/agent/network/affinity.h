// SPDX-License-Identifier: Apache-2.0
// Clients that stick to an endpoint (sessionAffinity: ClientIP), kept over a replacement of the
// whole table: the kernel knows them, and nobody else does. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tetrarch::agent::network {

struct StickyClient {
  std::string address;
  std::int64_t left_s = 0;  ///< until it is forgotten
  bool operator==(const StickyClient&) const = default;
};

using StickyClients = std::map<std::string, std::vector<StickyClient>>;  ///< by name of the set

/// From the JSON of `nft list sets`; whatever else is in it, other tables' sets too, is left out.
StickyClients read_sticky_clients(const std::string& table, std::string_view json);

/// The commands that put clients back into those of their sets that `batch` makes.
std::string render_sticky_clients(const std::string& table,
                                  const StickyClients& clients,
                                  std::string_view batch);

}  // namespace tetrarch::agent::network
