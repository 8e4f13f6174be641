// SPDX-License-Identifier: Apache-2.0
// The answer to one request on an Http2Connection. Lives on the connection's strand while the
// handler runs. Inside net only.
#pragma once

#include "net/http2_connection.h"
#include "net/upload_handler.h"

namespace tetrarch::net {

class Http2Exchange final : public Exchange, public BodyReader {
 public:
  Http2Exchange(Http2Connection& connection, Http2Stream& stream, bool is_head)
      : connection_(connection), stream_(stream), is_head_(is_head) {}

  Task<Status> respond(int status, Headers headers, std::string body) override;
  Task<Status> respond(int status, Headers headers, Body body) override;
  Task<Status> start(int status, Headers headers) override;
  Task<Status> write(Body body) override;
  Task<Status> finish() override;

  bool is_client_gone() const override { return stream_.is_gone; }

  void on_client_gone(std::function<void()> notice) override;
  Task<Result<std::unique_ptr<Stream>>> upgrade_raw(Headers headers) override;
  Task<Result<std::unique_ptr<WebSocket>>> upgrade_websocket(std::string subprotocol) override;

  Task<Result<std::string>> read_body() override;

  bool is_whole() const override {
    const bool has_all = stream_.is_whole && stream_.arrived.empty() && !stream_.is_cut;
    return stream_.taker == nullptr || has_all;
  }

  /// After the handler has returned: answers if it did not.
  Task<void> complete();

  int status() const { return status_; }

  std::uint64_t body_bytes() const { return body_bytes_; }

 private:
  enum class Step : std::uint8_t { waiting, streaming, finished };
  struct Dropped;

  Status expect(Step step) const;
  Status begin(int status, Headers headers, bool has_body);
  /// Until the session has taken all pieces.
  Task<Status> taken();
  Task<Error> refuse_upgrade();

  Http2Connection& connection_;
  Http2Stream& stream_;
  const bool is_head_;
  Step step_ = Step::waiting;
  int status_ = 0;
  std::uint64_t body_bytes_ = 0;
};

}  // namespace tetrarch::net
