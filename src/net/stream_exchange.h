// SPDX-License-Identifier: Apache-2.0
// One request of HTTP/1.1 that comes over a stream that somebody else has opened, and its answer:
// for agents, which send theirs over reach. Belongs to the strand that serves it. Inside net only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "net/connection.h"
#include "net/http.h"

namespace tetrarch::net {

/// Reads the one request, has it handled and answers; the stream has ended when it returns. What an
/// upload handler would take is not taken over it, and nothing can be upgraded. A write waits for
/// as long as the stream has no room: whoever opened it sees to it that its other end is alive.
Task<void> serve_stream(std::shared_ptr<ServerCore> core,
                        std::unique_ptr<Stream> stream,
                        Peer peer);

class StreamExchange final : public Exchange {
 public:
  StreamExchange(std::shared_ptr<ServerCore> core, std::shared_ptr<Stream> stream);
  ~StreamExchange() override;

  StreamExchange(const StreamExchange&) = delete;
  StreamExchange& operator=(const StreamExchange&) = delete;

  Task<Status> respond(int status, Headers headers, std::string body) override;
  Task<Status> respond(int status, Headers headers, Body body) override;
  Task<Status> start(int status, Headers headers) override;
  Task<Status> write(Body body) override;
  Task<Status> finish() override;
  bool is_client_gone() const override;
  void on_client_gone(std::function<void()> notice) override;
  Task<Result<std::unique_ptr<Stream>>> upgrade_raw(Headers headers) override;
  Task<Result<std::unique_ptr<WebSocket>>> upgrade_websocket(std::string subprotocol) override;

  /// The answer to HEAD has no body.
  void leave_out_body() { is_head_ = true; }

  Task<Status> respond_error(int status, std::string message);
  /// After the handler has returned: answers if it did not. Whether the answer is whole.
  Task<bool> complete();

  int status() const { return status_; }

  std::uint64_t body_bytes() const { return body_bytes_; }

 private:
  enum class Step : std::uint8_t { waiting, streaming, finished, broken };
  struct Client;

  static Task<void> watch_for_end(std::shared_ptr<Client> client);
  std::string head_of(int status, const Headers& headers);
  Task<Status> send(std::string first, Body body, std::string_view last);
  Status expect(Step step) const;
  Task<Error> refuse_upgrade();

  const std::shared_ptr<ServerCore> core_;
  const std::shared_ptr<Client> client_;  // shared with who watches for its end
  bool is_head_ = false;
  bool is_chunked_ = false;  // else start was given a Content-Length
  Step step_ = Step::waiting;
  int status_ = 0;
  std::uint64_t body_bytes_ = 0;
};

}  // namespace tetrarch::net
