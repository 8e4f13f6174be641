// SPDX-License-Identifier: Apache-2.0
// A server on a port of its own with a handler made of a function, and blocking clients that can
// send anything.
#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>

#include "async/io_pool.h"
#include "async/task_group.h"
#include "net/pki_test.h"
#include "net/server.h"

typedef struct ssl_st SSL;          // NOLINT: OpenSSL's own name
typedef struct ssl_ctx_st SSL_CTX;  // NOLINT: OpenSSL's own name

namespace tetrarch::net::testing {

class FunctionHandler final : public Handler {
 public:
  using Function = std::function<Task<void>(Request, Exchange&)>;

  explicit FunctionHandler(Function function) : function_(std::move(function)) {}

  Task<void> handle(Request request, Exchange& exchange) override {
    co_await function_(std::move(request), exchange);
  }

  ErrorBody error_body(int status, std::string_view message) const override {
    return {
        "application/json",
        "{\"code\":" + std::to_string(status) + ",\"message\":\"" + std::string(message) + "\"}"};
  }

 private:
  Function function_;
};

/// Answers with method, path, query and body, one per line.
Task<void> echo(Request request, Exchange& exchange);

class TestServer {
 public:
  explicit TestServer(FunctionHandler::Function function = echo,
                      ServerOptions options = {},
                      std::shared_ptr<TlsContext> tls = nullptr);
  ~TestServer();

  std::uint16_t port() const { return port_; }

  async::IoPool& pool() { return pool_; }

  Server& server() { return server_; }

  void stop();

 private:
  async::IoPool pool_{2};
  FunctionHandler handler_;
  Server server_;
  std::uint16_t port_ = 0;
  bool is_stopped_ = false;
};

/// A blocking client on a plain or TLS connection. Reads give up after ten seconds.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port);
  /// TLS that trusts `ca_pem` and shows `mine`, if it has a certificate.
  RawClient(std::uint16_t port,
            const std::string& ca_pem,
            const Issued& mine,
            bool offers_h2 = false);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  /// False once the other side has closed.
  bool send(std::string_view bytes);
  /// One response with Content-Length, or up to the end of a chunked body; head and body as they
  /// came.
  std::string read_response(bool is_head = false);
  std::string read_exactly(std::size_t size);
  /// What has come, or comes next; empty at the end.
  std::string read_some();
  std::string read_to_end();
  std::string read_until(std::string_view mark);
  void shut_write();
  void close();

  bool is_connected() const { return fd_ >= 0 && !has_failed_; }

  std::string alpn() const;

 private:
  bool read_more();

  int fd_ = -1;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
  bool has_failed_ = false;
  std::string buffer_;
};

/// Runs a task to its end on a strand of the pool.
template <class T>
T wait_for(async::IoPool& pool, Task<T> task) {
  struct Runner {
    static Task<void> run(Task<T> inner, std::promise<T>& out) {
      out.set_value(co_await std::move(inner));
    }
  };

  async::TaskGroup group(pool.strand(), "test");
  std::promise<T> out;
  group.spawn(Runner::run(std::move(task), out));
  T value = out.get_future().get();
  group.stop_and_wait();
  return value;
}

}  // namespace tetrarch::net::testing
