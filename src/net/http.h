// SPDX-License-Identifier: Apache-2.0
// What an HTTP handler sees: a request that was read whole, and an Exchange through which it
// answers once: with a body, with a stream, or by taking the connection over. No Beast types:
// handlers compile fast.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "async/task.h"
#include "base/result.h"

namespace tetrarch::net {

struct Header {
  std::string name;
  std::string value;
};

class Headers {
 public:
  /// Case-insensitive; the first of that name, or empty.
  std::string_view get(std::string_view name) const;
  std::vector<std::string_view> all(std::string_view name) const;

  void add(std::string name, std::string value) {
    list_.push_back({std::move(name), std::move(value)});
  }

  bool contains(std::string_view name) const;
  /// Whether a comma-separated list under that name has `word` (case-insensitive).
  bool has_word(std::string_view name, std::string_view word) const;

  const std::vector<Header>& list() const { return list_; }

 private:
  std::vector<Header> list_;
};

/// Who is at the other end, as far as the transport knows.
struct Peer {
  std::string address;
  bool is_local_socket = false;
  /// Subject of a client certificate that one of the server's client CAs signed; empty otherwise.
  std::string certificate_common_name;
  std::vector<std::string> certificate_organizations;
  /// A client certificate was shown that no client CA signed, or that is out of its time.
  bool is_certificate_refused = false;
};

struct Request {
  std::string method;
  std::string path;   ///< still percent-encoded, without query
  std::string query;  ///< without '?', still percent-encoded
  Headers headers;
  std::string body;
  Peer peer;
  /// Decoded value of the first such query parameter.
  std::optional<std::string> parameter(std::string_view name) const;
  std::vector<std::string> parameters(std::string_view name) const;
};

/// A two-way byte stream: a taken-over connection, a dialled one, or one side of a pipe. One reader
/// and one writer.
class Stream {
 public:
  virtual ~Stream() = default;
  /// At least one byte; 0 bytes at the end of the stream.
  virtual Task<Result<std::size_t>> read(char* into, std::size_t size) = 0;
  virtual Task<Status> write(std::string_view bytes) = 0;
  /// No more writes from here; the other direction stays open where the transport can do that.
  virtual Task<Status> shut_write() = 0;
  /// Ends both directions at once; reads and writes under way fail.
  virtual void close() = 0;
};

/// One message of a WebSocket.
struct Message {
  bool is_text = false;
  std::string bytes;
};

class WebSocket {
 public:
  virtual ~WebSocket() = default;
  /// Code::cancelled once the peer has closed.
  virtual Task<Result<Message>> read() = 0;
  virtual Task<Status> write(bool is_text, std::string_view bytes) = 0;
  virtual Task<Status> close(std::uint16_t code, std::string_view reason) = 0;
};

/// Pieces of a body that are sent as they are, without a copy. `owner` keeps their memory alive.
struct Body {
  std::vector<std::string_view> pieces;
  std::shared_ptr<const void> owner;
};

/// Answers one request. Exactly one of respond, start and upgrade_* is called.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual Task<Status> respond(int status, Headers headers, std::string body) = 0;
  /// Coalesced into large writes. Content-Length is set from the pieces.
  virtual Task<Status> respond(int status, Headers headers, Body body) = 0;
  /// A response that is sent piece by piece: start, then write any number of times, then finish.
  /// Chunked, unless the headers have a Content-Length; then exactly that much must be written.
  /// A handler that returns without finish cuts the answer off, which the client can tell.
  virtual Task<Status> start(int status, Headers headers) = 0;
  virtual Task<Status> write(Body body) = 0;
  virtual Task<Status> finish() = 0;
  /// The client has gone away, or, after start, the server is stopping. Writes fail from then on.
  virtual bool is_client_gone() const = 0;
  /// Calls `notice` once, on the connection's strand, when is_client_gone becomes true. Not before
  /// an upgrade: the connection is read to notice. For handlers that wait for events: raise an
  /// async::Event here. What it captures outlives the exchange or is shared.
  virtual void on_client_gone(std::function<void()> notice) = 0;
  /// 101 with the given headers (Upgrade, Connection …), then the raw connection.
  virtual Task<Result<std::unique_ptr<Stream>>> upgrade_raw(Headers headers) = 0;
  /// Completes the WebSocket handshake, choosing `subprotocol` (may be empty).
  virtual Task<Result<std::unique_ptr<WebSocket>>> upgrade_websocket(std::string subprotocol) = 0;
};

struct ErrorBody {
  std::string content_type;
  std::string body;
};

/// A seam: api/kubernetes and every other dialect. Called concurrently, each call on its
/// connection's strand.
class Handler {
 public:
  virtual ~Handler() = default;
  virtual Task<void> handle(Request request, Exchange& exchange) = 0;
  /// The body for what the server refuses before a handler sees it: 400, 408, 413, 431, 500, 503.
  virtual ErrorBody error_body(int status, std::string_view message) const;
};

/// "Not Found"; empty for a number without a name.
std::string_view status_phrase(int status);
bool equals_ignoring_case(std::string_view a, std::string_view b);

}  // namespace tetrarch::net
