// SPDX-License-Identifier: Apache-2.0
// BlobServer: gives other nodes of the cluster the blobs that this one keeps for its registry, by
// TLS on a port of the node's address: GET /blobs/<digest>. Who asks shows the certificate of a
// node; this one shows its own. No node needs the port: where it cannot be dialled, blobs go
// through a server. Made by the agent.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "agent/runtime/content.h"
#include "async/io_pool.h"
#include "base/metrics.h"
#include "net/server.h"

namespace tetrarch::agent {

class BlobServer final : public net::Handler {
 public:
  /// Streams at once; further ones are told to come again (503).
  static constexpr int kStreamsMax = 8;

  /// `content` and `pool` outlive it.
  BlobServer(async::IoPool& pool, runtime::Content& content, Metrics& metrics);

  /// `tls` shows this node's certificate and asks for one. The port that it listens on.
  Result<std::uint16_t> start(const std::string& address,
                              std::uint16_t port,
                              std::shared_ptr<net::TlsContext> tls);
  Task<void> stop();

  Task<void> handle(net::Request request, net::Exchange& exchange) override;

 private:
  Task<Status> serve(net::Request request, net::Exchange& exchange);
  Task<Status> send(net::Request request, net::Exchange& exchange);

  runtime::Content& content_;
  Counter& sent_;
  std::atomic<int> streams_{0};
  net::Server server_;
  bool is_running_ = false;
};

}  // namespace tetrarch::agent
