// SPDX-License-Identifier: Apache-2.0
#include "agent/health_ports.h"

#include <utility>

#include <fmt/format.h>

#include "base/log.h"

namespace tetrarch::agent {
namespace {

net::ServerOptions server_options(const std::string& service) {
  net::ServerOptions out;
  out.name = "health of " + service;
  out.header_bytes_max = 8 * 1024;
  out.body_bytes_max = 4 * 1024;
  // Ours: load balancers, each with a few connections; they ask again soon.
  out.connections_max = 500;
  out.connections_per_address_max = 100;
  out.idle_limit = std::chrono::seconds(60);
  out.drain_limit = std::chrono::seconds(1);
  return out;
}

}  // namespace

/// Source: kubernetes, pkg/proxy/healthcheck/service_health.go, hcHandler.ServeHTTP.
HealthAnswer health_answer(const std::string& service, std::size_t endpoints, bool is_healthy) {
  const auto slash = service.find('/');
  return {
      endpoints > 0 && is_healthy ? 200 : 503,
      fmt::format("{{\n\t\"service\": {{\n\t\t\"namespace\": \"{}\",\n\t\t\"name\": \"{}\"\n\t}},\n"
                  "\t\"localEndpoints\": {},\n\t\"serviceProxyHealthy\": {}\n}}",
                  service.substr(0, slash),
                  service.substr(slash + 1),
                  endpoints,
                  is_healthy)};
}

HealthPorts::Listener::Listener(async::IoPool& pool, std::string service)
    : service_(std::move(service)), server_(pool, *this, server_options(service_)) {}

Status HealthPorts::Listener::listen(std::uint16_t port) {
  TRY_STATUS(server_.listen("0.0.0.0", port, nullptr));
  server_.run();
  return ok();
}

void HealthPorts::Listener::tell(std::size_t endpoints, bool is_healthy) {
  endpoints_ = endpoints;
  is_healthy_ = is_healthy;
}

Task<void> HealthPorts::Listener::handle(net::Request request, net::Exchange& exchange) {
  static_cast<void>(request);  // every path and method is answered alike
  const auto endpoints = endpoints_.load();
  auto answer = health_answer(service_, endpoints, is_healthy_);
  net::Headers headers;
  headers.add("Content-Type", "application/json");
  headers.add("X-Content-Type-Options", "nosniff");
  headers.add("X-Load-Balancing-Endpoint-Weight", std::to_string(endpoints));
  const auto sent =
      co_await exchange.respond(answer.status, std::move(headers), std::move(answer.body));
  if (!sent.ok()) {
    log::debug("agent", "health of {}: {}", service_, sent.error().message);
  }
}

Task<void> HealthPorts::keep(network::HealthPortsByService wanted, bool is_healthy) {
  for (auto at = open_.begin(); at != open_.end();) {
    const auto found = wanted.find(at->first);
    if (found == wanted.end() || found->second.port != at->second.port) {
      closing_.push_back(std::move(at->second));
      at = open_.erase(at);
    } else {
      ++at;
    }
  }
  // Their ports may be wanted by others. Who is interrupted here begins again in stop().
  while (!closing_.empty()) {
    co_await closing_.back().listener->stop();
    closing_.pop_back();
  }
  for (const auto& [service, health] : wanted) {
    auto& open = open_[service];
    if (open.listener == nullptr) {
      auto listener = std::make_unique<Listener>(pool_, service);
      listener->tell(health.endpoints, is_healthy);
      if (const auto done = listener->listen(health.port); !done.ok()) {
        open_.erase(service);
        if (std::exchange(complained_[service], health.port) != health.port) {
          log::warning("agent", "health check port of {}: {}", service, done.error().message);
        }
        continue;
      }
      open = {health.port, std::move(listener)};
    }
    complained_.erase(service);
    open.listener->tell(health.endpoints, is_healthy);
  }
  std::erase_if(complained_, [&](const auto& each) { return !wanted.contains(each.first); });
}

Task<void> HealthPorts::stop() {
  network::HealthPortsByService none;
  co_await keep(std::move(none), false);
}

}  // namespace tetrarch::agent
