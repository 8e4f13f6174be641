// SPDX-License-Identifier: Apache-2.0
// A connected socket, with TLS on top or without, and a deadline. Inside net only: others see a
// Stream. Belongs to the strand of whoever uses it at the time; one reader and one writer may be
// under way together.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>

#include "async/task.h"
#include "base/clock.h"
#include "base/result.h"
#include "net/tls_engine.h"

namespace tetrarch::net {

using Socket = asio::basic_stream_socket<asio::generic::stream_protocol, asio::any_io_executor>;

class Transport {
 public:
  /// Flush once this much is waiting: large writes are what makes long answers fast.
  static constexpr std::size_t kWriteSize = 128 * 1024;

  Transport(Socket socket, const Clock& clock);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  /// Everything from here on is encrypted, beginning with the handshake.
  void use_tls(std::unique_ptr<TlsEngine> engine) { tls_ = std::move(engine); }

  Task<Status> handshake();
  Task<Status> connect(asio::generic::stream_protocol::endpoint endpoint);

  /// Until read() has something to do: what to read into need not be held before.
  Task<Status> readable();
  /// At least one byte; 0 at the end. Code::timeout once the deadline has passed.
  Task<Result<std::size_t>> read(char* into, std::size_t size);
  /// Takes the bytes into the buffer of what flush() sends; no I/O.
  Status append(std::string_view bytes);

  std::size_t pending() const {
    return plain_.size() + (tls_ ? tls_->output().size() : 0) + sending_.size() - sent_;
  }

  Task<Status> flush();
  /// Sends what goes without waiting; whether nothing is left. Not while a flush is under way.
  Result<bool> flush_now();
  Task<Status> shut_write();
  /// Ends reads and writes under way; safe to repeat.
  void close();

  bool is_open() const { return socket_.is_open(); }

  /// Nothing has arrived and the other side has not closed: fit to be used again.
  bool is_idle_and_open();

  /// Reads and writes fail after `limit` from now, until armed again or disarmed. Cheap: no timer
  /// is touched unless the new deadline is earlier than the one waited for.
  void arm(std::chrono::nanoseconds limit);
  void disarm();
  /// Between two users on different strands (a pooled connection): park on the old one, unpark on
  /// the new one.
  void park();
  void unpark(asio::any_io_executor strand);

  const TlsEngine* tls() const { return tls_.get(); }

  Socket& socket() { return socket_; }

 private:
  struct Watchdog;

  Status seal();
  /// What is there now, to the engine; false where nothing is.
  Result<bool> feed_tls();
  Task<Status> wait_for_input();
  /// Nothing is to be sent: the buffers go back to the thread.
  void rest();
  /// What is left of the last write, else all that is waiting.
  asio::const_buffer next_to_send();
  void note_sent(std::size_t count);
  Error failure(std::string_view what, const boost::system::error_code& code) const;

  Socket socket_;
  const Clock& clock_;
  std::unique_ptr<TlsEngine> tls_;
  bool may_have_more_ = true;  // the socket: worth a look before waiting for it
  std::string plain_;          // not encrypted yet (with TLS at most one record), or not sent yet
  std::string sending_;        // what a write under way points into: from sent_ on
  std::size_t sent_ = 0;
  bool is_writing_ = false;
  std::shared_ptr<Watchdog>
      watchdog_;  // shared with the timer's handler, which may be queued already
};

}  // namespace tetrarch::net
