// SPDX-License-Identifier: Apache-2.0
// One accepted connection: reads requests, hands each to the Handler, and lives until one side
// closes or a handler takes the transport over. Where the client chose HTTP/2, all that is left to
// Http2Connection. All of it runs on the connection's strand. Inside net only.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "async/task_group.h"
#include "async/timer.h"
#include "net/body_budget.h"
#include "net/request_parser.h"
#include "net/response_head.h"
#include "net/server.h"
#include "net/transport.h"

namespace tetrarch::net {

class Connection;
class Http2Connection;

/// What all connections of a server share; they keep it alive.
struct ServerCore {
  ServerCore(asio::any_io_executor strand,
             Handler& its_handler,
             ServerOptions its_options,
             const Clock& its_clock);

  /// From a plain thread: until no connection is left or the drain limit has passed.
  void wait_until_empty();

  /// Why a connection more of that address is one too many: served, but with 503. Empty: it is not.
  struct Admission {
    std::string_view refusal;
    bool closes = false;  ///< so many that not even that is said
  };

  Admission admit(const std::string& address) const;
  std::size_t open_connections() const;

  Handler& handler;
  const ServerOptions options;
  const ParseLimits limits;
  const Clock& clock;
  BodyBudget bodies;
  async::TaskGroup group;
  mutable std::mutex mutex;  // guards what follows
  std::unordered_set<Connection*> connections;
  std::unordered_map<std::string, std::size_t> by_address;  // how many of them
  std::condition_variable is_empty;
  std::atomic<bool> is_draining = false;  // read without the lock, too
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  /// `refusal`: not empty: the first request is answered with 503 and these words, which outlive
  /// it.
  Connection(std::shared_ptr<ServerCore> core,
             std::unique_ptr<Transport> transport,
             std::string_view refusal);
  ~Connection();

  static Task<void> serve(std::shared_ptr<Connection> self);
  /// The server is stopping. Any thread.
  void drain();

 private:
  friend class ConnectionExchange;

  struct Received {
    int refusal = 0;  ///< status to answer with; 0: a request is there
    std::string message = {};
    bool has_ended = false;
  };

  Task<void> run();
  Task<bool> open();
  Task<void> run_http2();
  Task<bool> serve_one();
  Task<Received> receive(RequestParser& parser, BodyBudget::Held& held);
  /// Feeds what is buffered to the parser. Empty: more bytes are needed, unless parser.is_done().
  Received feed(RequestParser& parser);
  Task<Result<std::size_t>> fill();
  Task<void> refuse(Received why);
  /// Takes and drops what the client still sends, for a moment, so that it sees the answer.
  Task<void> linger();
  /// The next piece of a body that is taken in pieces; empty at its end.
  Task<Result<std::string>> read_body(RequestParser& parser);
  Task<Result<std::size_t>> read_some();
  /// Reads ahead until the request is answered: how the end of the client is noticed.
  void watch_for_end();
  void end_watch();
  static Task<void> wait_for_end(std::shared_ptr<Connection> self);
  void note_gone();
  void drain_here();

  std::shared_ptr<ServerCore> core_;
  asio::any_io_executor strand_;
  std::unique_ptr<Transport> transport_;    // null once taken over
  std::shared_ptr<Http2Connection> http2_;  // its handlers share it
  Peer peer_;
  const std::string_view refusal_;
  const std::string address_;  // as it is counted
  std::string buffer_;         // received, not parsed: [begin_, end_); none while nothing comes
  std::size_t wanted_;         // its size when it is next taken
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::string head_;  // of the response under way; kept for its capacity
  DateText date_;
  std::function<void()> notice_;
  async::Event reader_ended_;
  bool is_reading_ahead_ = false;  // a read under way while one waits for the answer; at most one
  bool is_watched_ = false;        // such reads go on
  bool is_streaming_ = false;      // the answer has begun and has an open length
  bool is_gone_ = false;
  bool is_idle_ = false;
};

}  // namespace tetrarch::net
