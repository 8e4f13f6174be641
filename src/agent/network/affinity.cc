// SPDX-License-Identifier: Apache-2.0
#include "agent/network/affinity.h"

#include <algorithm>
#include <span>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/ipv4.h"

namespace tetrarch::agent::network {
namespace {

// Ours: by then the feed has brought what there is; what comes later is another endpoint.
constexpr std::chrono::seconds kHeld(60);
// Ours: libnftables takes 2 KB for each element of a batch.
constexpr std::size_t kBatchMax = 4096;

std::string key_of(const StickyClient& client) {
  return fmt::format(
      "{} . {} . {}", ipv4_text(client.client), ipv4_text(client.asked), client.asked_port);
}

/// Of the map, with the rest of its time.
std::string element_of(const StickyClient& client) {
  return fmt::format("{} timeout {}s : {} . {}",
                     key_of(client),
                     client.left_s,
                     ipv4_text(client.endpoint),
                     client.endpoint_port);
}

std::string command(std::string_view verb,
                    const std::string& table,
                    std::string_view protocol,
                    const std::vector<std::string>& elements) {
  return fmt::format("{} element ip {} {} {{ {} }}\n",
                     verb,
                     table,
                     client_map(protocol).name,
                     fmt::join(elements, ", "));
}

template <class Do>
void in_batches(const std::vector<StickyClient>& clients, Do act) {
  for (std::span<const StickyClient> rest(clients); !rest.empty();) {
    const auto now = std::min(rest.size(), kBatchMax);
    act(rest.first(now));
    rest = rest.subspan(now);
  }
}

bool is_led_by(const ServiceRules& rules, const std::string& protocol, const StickyClient& client) {
  const auto asked = ipv4_text(client.asked);
  if (const auto* const port = rules.at(asked, protocol, client.asked_port)) {
    return port->affinity_s > 0 &&
           has_target(port->behind(asked), client.endpoint, client.endpoint_port);
  }
  const auto* const port = rules.at_node_port(protocol, client.asked_port);
  return port != nullptr && port->affinity_s > 0 &&
         has_target(port->outside(), client.endpoint, client.endpoint_port);
}

}  // namespace

std::vector<StickyClient> stray_clients(const ServiceRules& rules,
                                        const std::string& protocol,
                                        const std::vector<StickyClient>& clients) {
  // Many clients, few services.
  std::map<std::tuple<std::uint32_t, int, std::uint32_t, int>, bool> known;
  std::vector<StickyClient> out;
  for (const auto& client : clients) {
    const auto [at, is_new] =
        known.try_emplace({client.asked, client.asked_port, client.endpoint, client.endpoint_port});
    if (is_new) {
      at->second = is_led_by(rules, protocol, client);
    }
    if (!at->second) {
      out.push_back(client);
    }
  }
  return out;
}

std::vector<std::string> forget_clients(const std::string& table,
                                        std::string_view protocol,
                                        const std::vector<StickyClient>& clients) {
  std::vector<std::string> out;
  in_batches(clients, [&](std::span<const StickyClient> some) {
    std::vector<std::string> elements;
    std::vector<std::string> keys;
    for (const auto& client : some) {
      elements.push_back(element_of(client));
      keys.push_back(key_of(client));
    }
    // What has expired meanwhile could not be deleted, so it is there again first.
    out.push_back(command("add", table, protocol, elements) +
                  command("delete", table, protocol, keys));
  });
  return out;
}

void HeldClients::hold(StickyClients clients, SteadyPoint now) {
  clients_ = std::move(clients);
  since_ = now;
}

std::vector<std::string> HeldClients::put_back(const std::string& table,
                                               std::string_view batch,
                                               SteadyPoint now) {
  if (now - since_ > kHeld) {
    clients_.clear();
  }
  std::vector<std::string> out;
  const auto passed = std::chrono::duration_cast<std::chrono::seconds>(now - since_).count();
  for (auto at = clients_.begin(); at != clients_.end();) {
    const auto& [protocol, clients] = *at;
    const auto made = fmt::format("add map ip {} {} ", table, client_map(protocol).name);
    if (batch.find(made) == std::string_view::npos) {
      ++at;
      continue;
    }
    in_batches(clients, [&](std::span<const StickyClient> some) {
      std::vector<std::string> elements;
      for (auto client : some) {
        client.left_s -= passed;
        if (client.left_s > 0) {
          elements.push_back(element_of(client));
        }
      }
      if (!elements.empty()) {
        out.push_back(command("add", table, protocol, elements));
      }
    });
    at = clients_.erase(at);
  }
  return out;
}

}  // namespace tetrarch::agent::network
