// SPDX-License-Identifier: Apache-2.0
// HealthPorts: what load balancers ask, on the health check port of each service that keeps to the
// nodes which have an endpoint: 200 where this node has one, 503 where not. Made and kept by the
// agent; a listener for each such port.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/network/network.h"
#include "async/io_pool.h"
#include "net/server.h"

namespace tetrarch::agent {

struct HealthAnswer {
  int status = 503;
  std::string body;  ///< JSON
};

/// `service`: "namespace/name". `is_healthy`: the packet filter leads where it should. Pure.
HealthAnswer health_answer(const std::string& service, std::size_t endpoints, bool is_healthy);

class HealthPorts {
 public:
  /// `pool` outlives it.
  explicit HealthPorts(async::IoPool& pool) : pool_(pool) {}

  /// Listens where it should and nowhere else. A port that cannot be had is tried at each call.
  Task<void> keep(network::HealthPortsByService wanted, bool is_healthy);
  Task<void> stop();

 private:
  /// One service's; answers on strands of its server's connections.
  class Listener final : public net::Handler {
   public:
    Listener(async::IoPool& pool, std::string service);
    Status listen(std::uint16_t port);

    void tell(std::size_t endpoints, bool is_healthy);

    Task<void> stop() { return server_.stop(); }

    Task<void> handle(net::Request request, net::Exchange& exchange) override;

   private:
    const std::string service_;
    std::atomic<std::size_t> endpoints_ = 0;
    std::atomic<bool> is_healthy_ = false;
    net::Server server_;
  };

  struct Open {
    std::uint16_t port = 0;
    std::unique_ptr<Listener> listener;
  };

  async::IoPool& pool_;
  std::map<std::string, Open> open_;                 // by service
  std::vector<Open> closing_;                        // to be stopped before they are destroyed
  std::map<std::string, std::uint16_t> complained_;  // of which port of a service, once
};

}  // namespace tetrarch::agent
