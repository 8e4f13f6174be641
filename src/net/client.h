// SPDX-License-Identifier: Apache-2.0
// The HTTP/1.1 client: one server, a small pool of kept connections, whole or streamed responses,
// upgrades. Used by agents and client/http. Thread-safe; what it hands out belongs to the strand of
// the coroutine that asked.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "async/task.h"
#include "base/clock.h"
#include "base/result.h"
#include "net/http.h"
#include "net/tls.h"
#include "net/url.h"

namespace tetrarch::net {

struct ClientOptions {
  std::string url;                ///< https://host:port, http://host:port, unix:///path
  std::string bearer_token = {};  ///< sent with every request, if there is one
  std::string tls_name = {};  ///< the name in the server's certificate; empty: the host of the URL
  std::size_t idle_connections_max = 16;
  std::chrono::nanoseconds idle_limit =
      std::chrono::seconds(60);  ///< kept connections older than this are dropped
  std::chrono::nanoseconds connect_limit = std::chrono::seconds(10);
  std::chrono::nanoseconds request_limit =
      std::chrono::seconds(30);  ///< for a whole response; a stream's head
  std::chrono::nanoseconds silence_limit =
      std::chrono::minutes(10);  ///< between two pieces of a stream
  std::uint64_t response_bytes_max = 256 * 1024 * 1024;
};

struct ClientRequest {
  std::string method = "GET";
  std::string target;  ///< path and query, percent-encoded
  Headers headers = {};
  std::string body = {};
};

struct Response {
  int status = 0;
  Headers headers;
  std::string body;
};

/// A response whose body is read as it comes. Destroying it ends the request.
class ResponseStream {
 public:
  virtual ~ResponseStream() = default;
  virtual int status() const = 0;
  virtual const Headers& headers() const = 0;
  /// The next bytes; empty at the end. Code::unavailable: the connection broke before the end.
  virtual Task<Result<std::string>> read() = 0;
  /// All that is left.
  virtual Task<Result<std::string>> read_all(std::size_t bytes_max) = 0;
};

/// A seam: requests to one server, over connections of their own (Client) or one that others share
/// (reach/requests.h).
class Requests {
 public:
  virtual ~Requests() = default;
  /// Any status is a success here; errors are those of the transport.
  virtual Task<Result<Response>> request(ClientRequest request) = 0;
  virtual Task<Result<std::unique_ptr<ResponseStream>>> stream(ClientRequest request) = 0;
};

class Client final : public Requests {
  struct Private {};  // only make() makes one

 public:
  Client(
      Private, ClientOptions options, Url url, std::shared_ptr<TlsContext> tls, const Clock& clock);
  /// `tls` only for https. `clock` outlives the client.
  static Result<std::unique_ptr<Client>> make(ClientOptions options,
                                              std::shared_ptr<TlsContext> tls,
                                              const Clock& clock = system_clock());
  ~Client() override;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  Task<Result<Response>> request(ClientRequest request) override;
  Task<Result<std::unique_ptr<ResponseStream>>> stream(ClientRequest request) override;
  /// Sends the request with `Connection: Upgrade` and `Upgrade: <protocol>`; any answer but 101 is
  /// an error that carries the server's words.
  Task<Result<std::unique_ptr<Stream>>> upgrade(ClientRequest request, std::string protocol);

  /// Closes the connections that are kept for later.
  void close_kept();

  const Url& url() const { return url_; }

 private:
  class Session;
  class SessionStream;
  struct Kept;

  Task<Result<std::unique_ptr<Session>>> open(const ClientRequest& request);
  Task<Result<std::unique_ptr<Session>>> connect();
  std::unique_ptr<Session> take_kept(asio::any_io_executor strand);
  void keep(std::unique_ptr<Session> session);
  std::string compose_head(const ClientRequest& request) const;

  const ClientOptions options_;
  const Url url_;
  const std::shared_ptr<TlsContext> tls_;
  const Clock& clock_;
  std::mutex mutex_;        // guards kept_
  std::vector<Kept> kept_;  // the most recently used last
};

}  // namespace tetrarch::net
