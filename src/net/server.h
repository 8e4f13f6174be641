// SPDX-License-Identifier: Apache-2.0
// The HTTP server: TLS, plain TCP and unix sockets in front of one Handler, which is the same for
// HTTP/1.1 and HTTP/2 (by ALPN). Made and stopped by app (and by tests). Every connection runs on a
// strand of its own; every limit has an answer that a client understands.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "async/io_pool.h"
#include "async/task.h"
#include "base/clock.h"
#include "base/result.h"
#include "net/http.h"
#include "net/tls.h"
#include "net/upload_handler.h"

namespace tetrarch::net {

/// One answered request, for the access log and metrics.
struct Access {
  std::string_view method;
  std::string_view path;
  std::string_view query;
  const Peer* peer = nullptr;
  int status = 0;  ///< 101 for a taken-over connection, 0 if nothing was answered
  std::uint64_t request_bytes = 0;
  std::uint64_t response_bytes = 0;  ///< of bodies
  std::chrono::nanoseconds duration{};
};

struct ServerOptions {
  std::string name = "server";                      ///< in the log
  std::uint32_t header_bytes_max = 64 * 1024;       ///< more: 431
  std::uint64_t body_bytes_max = 3 * 1024 * 1024;   ///< more: 413
  std::size_t headers_max = 200;                    ///< more: 431
  std::size_t connections_max = 20'000;             ///< more: 503, then refused
  std::size_t connections_per_address_max = 5'000;  ///< the same
  /// Of one HTTP/2 connection: requests that are not answered yet, and their bodies in all.
  std::uint32_t streams_max = 250;
  std::uint64_t upload_bytes_max = 16 * 1024 * 1024;
  /// Of all connections: bodies that are held whole, and what a handler that takes one in pieces
  /// has still to take over HTTP/2. More: 503. An eighth of it for an address that is not this
  /// machine's.
  std::uint64_t bodies_bytes_max = 512 * 1024 * 1024;
  std::chrono::nanoseconds handshake_limit = std::chrono::seconds(15);
  std::chrono::nanoseconds idle_limit = std::chrono::seconds(180);  ///< between requests; closes
  std::chrono::nanoseconds header_limit =
      std::chrono::seconds(15);  ///< first to last byte of a head; 408
  std::chrono::nanoseconds body_limit = std::chrono::seconds(60);   ///< of a whole body; 408
  std::chrono::nanoseconds write_limit = std::chrono::seconds(60);  ///< of one write; closes
  /// Of one write of a stream, and of one piece of a body that is taken in pieces: a person may
  /// have stopped `logs -f` with Ctrl-S for a while.
  std::chrono::nanoseconds stream_write_limit = std::chrono::minutes(10);
  std::chrono::nanoseconds linger_limit =
      std::chrono::seconds(2);  ///< to read an error before the close
  std::chrono::nanoseconds drain_limit =
      std::chrono::seconds(5);  ///< for requests under way at stop
  UploadHandlers uploads = {};  ///< take what they want to; outlive the server
  std::function<void(const Access&)> on_access = {};  ///< called on the connection's strand
};

class Server {
 public:
  /// `pool`, `handler` and `clock` outlive the server.
  Server(async::IoPool& pool,
         Handler& handler,
         ServerOptions options,
         const Clock& clock = system_clock());
  /// Must have been stopped if it was run.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Binds and listens; port 0 chooses one. Returns the port. `tls` null: plain HTTP. Before run().
  Result<std::uint16_t> listen(const std::string& address,
                               std::uint16_t port,
                               std::shared_ptr<TlsContext> tls);
  /// A unix socket with these permissions; takes the place of a socket file that nobody listens on.
  Status listen_unix(const std::string& path, unsigned int mode = 0660);

  /// Begins to accept.
  void run();
  /// Serves the one request of HTTP/1.1 that comes over `stream`, on that strand, as if `peer` had
  /// sent it on a connection of its own. While the server runs.
  void take(const asio::any_io_executor& strand, std::unique_ptr<Stream> stream, Peer peer);
  /// Accepts no more, lets requests under way end within the drain limit (streams are told at
  /// once), cancels the rest. Not from one of its own handlers.
  Task<void> stop();
  /// The same from a plain thread that is no I/O thread.
  void stop_and_wait();
  std::size_t connections() const;

 private:
  struct Listener;
  struct Impl;

  static Task<void> accept(Impl& impl, Listener& listener);

  std::unique_ptr<Impl> impl_;
};

}  // namespace tetrarch::net
