// SPDX-License-Identifier: Apache-2.0
#include "agent/network/affinity.h"

#include <set>

#include <fmt/format.h>

#include "base/ipv4.h"
#include "object/document.h"

namespace tetrarch::agent::network {
namespace {

/// Source: libnftables-json(5), set, elem.
std::vector<StickyClient> clients_of(object::View set) {
  std::vector<StickyClient> out;
  for (const auto entry : set["elem"].elements()) {
    const auto element = entry["elem"];
    const auto address = element["val"].string();
    const auto left = element["expires"].integer();
    if (parse_ipv4(address) && left > 0) {
      out.push_back({std::string(address), left});
    }
  }
  return out;
}

std::set<std::string, std::less<>> sets_made_by(const std::string& table, std::string_view batch) {
  const auto begin = fmt::format("add set ip {} ", table);
  std::set<std::string, std::less<>> out;
  for (auto at = batch.find(begin); at != std::string_view::npos; at = batch.find(begin, at)) {
    at += begin.size();
    out.emplace(batch.substr(at, batch.find(' ', at) - at));
  }
  return out;
}

}  // namespace

StickyClients read_sticky_clients(const std::string& table, std::string_view json) {
  StickyClients out;
  const auto parsed = Document::parse(json);
  if (!parsed.ok()) {
    return out;
  }
  for (const auto entry : (*parsed)->root()["nftables"].elements()) {
    const auto set = entry["set"];
    // Seen: nft 1.0.6 lists the sets of every table, whatever table is asked for.
    if (auto clients = clients_of(set); set["table"].string() == table && !clients.empty()) {
      out[std::string(set["name"].string())] = std::move(clients);
    }
  }
  return out;
}

std::string render_sticky_clients(const std::string& table,
                                  const StickyClients& clients,
                                  std::string_view batch) {
  std::string out;
  const auto made = sets_made_by(table, batch);
  for (const auto& [name, sticking] : clients) {
    if (!made.contains(name)) {
      continue;
    }
    for (const auto& client : sticking) {
      out += fmt::format("add element ip {} {} {{ {} timeout {}s }}\n",
                         table,
                         name,
                         client.address,
                         client.left_s);
    }
  }
  return out;
}

}  // namespace tetrarch::agent::network
