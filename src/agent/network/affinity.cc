// SPDX-License-Identifier: Apache-2.0
#include "agent/network/affinity.h"

#include <set>

#include <fmt/format.h>

#include "base/ipv4.h"
#include "object/document.h"

namespace tetrarch::agent::network {
namespace {

// Ours: by then the feed has brought what there is; what comes later is another endpoint.
constexpr std::chrono::seconds kHeld(60);

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

std::set<std::string> sets_made_by(const std::string& table, std::string_view batch) {
  const auto begin = fmt::format("add set ip {} ", table);
  std::set<std::string> out;
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

void HeldClients::hold(StickyClients clients, SteadyPoint now) {
  clients_ = std::move(clients);
  since_ = now;
}

std::string HeldClients::put_back(const std::string& table,
                                  std::string_view batch,
                                  SteadyPoint now) {
  if (now - since_ > kHeld) {
    clients_.clear();
  }
  if (clients_.empty()) {
    return {};
  }
  const auto passed = std::chrono::duration_cast<std::chrono::seconds>(now - since_).count();
  std::string out;
  for (const auto& name : sets_made_by(table, batch)) {
    const auto found = clients_.extract(name);
    if (!found) {
      continue;
    }
    for (const auto& client : found.mapped()) {
      if (client.left_s > passed) {
        out += fmt::format("add element ip {} {} {{ {} timeout {}s }}\n",
                           table,
                           name,
                           client.address,
                           client.left_s - passed);
      }
    }
  }
  return out;
}

}  // namespace tetrarch::agent::network
