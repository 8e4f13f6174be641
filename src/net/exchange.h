// SPDX-License-Identifier: Apache-2.0
// The answer to one request on a Connection: writes heads, bodies and chunks through the
// connection's transport. Lives on the connection's strand while the handler runs. Inside net only.
#pragma once

#include <optional>

#include "net/connection.h"
#include "net/http.h"
#include "net/upload_handler.h"

namespace tetrarch::net {

class ConnectionExchange final : public Exchange, public BodyReader {
 public:
  ConnectionExchange(Connection& connection, bool is_http10, bool keeps_alive, bool is_head)
      : connection_(connection),
        is_http10_(is_http10),
        is_head_(is_head),
        keeps_alive_(keeps_alive) {}

  ~ConnectionExchange() override { connection_.notice_ = nullptr; }

  ConnectionExchange(const ConnectionExchange&) = delete;
  ConnectionExchange& operator=(const ConnectionExchange&) = delete;

  Task<Status> respond(int status, Headers headers, std::string body) override;
  Task<Status> respond(int status, Headers headers, Body body) override;
  Task<Status> start(int status, Headers headers) override;
  Task<Status> write(Body body) override;
  Task<Status> finish() override;

  bool is_client_gone() const override { return connection_.is_gone_; }

  void on_client_gone(std::function<void()> notice) override;
  Task<Result<std::unique_ptr<Stream>>> upgrade_raw(Headers headers) override;
  Task<Result<std::unique_ptr<WebSocket>>> upgrade_websocket(std::string subprotocol) override;
  Task<Result<std::string>> read_body() override;

  bool is_whole() const override { return parser_ == nullptr || parser_->is_done(); }

  /// Where read_body takes it from; `parser` outlives the exchange.
  void stream_from(RequestParser& parser) { parser_ = &parser; }

  /// Before the handler takes the headers: what a WebSocket handshake will need.
  void remember_upgrade(const Headers& headers);
  /// After the handler has returned: answers if it did not. Whether a further request may follow.
  Task<bool> complete();

  int status() const { return status_; }

  std::uint64_t body_bytes() const { return body_bytes_; }

 private:
  enum class Step : std::uint8_t { waiting, streaming, finished, broken, taken };

  void compose_head(int status, const Headers& headers);
  Task<Status> send(const Body& body);
  Status noted(Status outcome);
  Status expect(Step step) const;

  /// Else a length was declared, or the end of the connection is the end of the body.
  bool is_chunked() const { return !is_http10_ && !declared_; }

  void arm_write();
  Task<Status> say_continue();

  Connection& connection_;
  RequestParser* parser_ = nullptr;  // null: of a refusal
  bool has_continued_ = false;
  const bool is_http10_;
  const bool is_head_;
  bool keeps_alive_;
  Step step_ = Step::waiting;
  int status_ = 0;
  std::uint64_t body_bytes_ = 0;
  std::optional<std::uint64_t> declared_;  // a Content-Length that start was given
  bool wants_websocket_ = false;
  std::string websocket_key_;
  std::string websocket_version_;
};

}  // namespace tetrarch::net
