// SPDX-License-Identifier: Apache-2.0
// The server's side of a SPDY/3.1 session over a taken-over connection, as far as kubectl's exec,
// attach, cp and port-forward need it. All of a session and its streams belong to the connection's
// strand.
#pragma once

#include <chrono>
#include <memory>

#include "async/task.h"
#include "base/result.h"
#include "net/http.h"

namespace tetrarch::net {

/// A stream that the client opened. Destroying it resets it, unless both directions have ended or
/// shut_write was called.
class SpdyStream : public Stream {
 public:
  /// "streamtype: stdin", "port: 80" …; names are in lower case.
  virtual const Headers& headers() const = 0;
  /// Of either side; it is none of the session's streams any more.
  virtual bool is_reset() const = 0;
};

/// Use: `co_await async::first_of(session.run(), handle(session))`, where handle() accepts streams
/// and ends with close().
class SpdySession {
 public:
  /// While a stream that nobody reads holds the session up, the client is pinged every
  /// `sign_interval`: a connection that is not read tells of its end only when it is written to.
  explicit SpdySession(std::unique_ptr<Stream> connection,
                       std::chrono::nanoseconds sign_interval = std::chrono::seconds(10));
  ~SpdySession();
  SpdySession(const SpdySession&) = delete;
  SpdySession& operator=(const SpdySession&) = delete;

  /// Moves frames until the connection ends.
  Task<void> run();
  /// The next stream that the client opened; it has been answered already. Code::cancelled: there
  /// will be none any more. Code::timeout after `limit`.
  Task<Result<std::unique_ptr<SpdyStream>>> accept(std::chrono::nanoseconds limit);
  /// Sends what is queued and GOAWAY, and gives the client `linger` to close its side, so that
  /// nothing is lost.
  Task<void> close(std::chrono::nanoseconds linger = std::chrono::seconds(5));

 private:
  class Core;
  class Side;
  std::shared_ptr<Core> core_;  // shared with the streams, which may outlive the session
};

}  // namespace tetrarch::net
