// SPDX-License-Identifier: Apache-2.0
// One connection that speaks HTTP/2: reads and writes for its session, runs a handler per request,
// and cuts what takes too long. Owned by its Connection and by the handlers that run; all of it on
// the connection's strand. Inside net only.
#pragma once

#include <memory>

#include "async/timer.h"
#include "net/connection.h"
#include "net/http2_session.h"
#include "net/response_head.h"
#include "net/transport.h"

namespace tetrarch::net {

class Http2Connection final : public Http2Owner,
                              public std::enable_shared_from_this<Http2Connection> {
 public:
  /// `refusal`: not empty: requests are answered with 503 and these words, which outlive it.
  Http2Connection(std::shared_ptr<ServerCore> core,
                  std::unique_ptr<Transport> transport,
                  Peer peer,
                  std::string_view refusal);

  /// Until the connection has ended, and all its handlers.
  static Task<void> run(std::shared_ptr<Http2Connection> self);
  /// The server is stopping: no further requests, streams are told.
  void drain();

  UploadHandler* taker_of(const Request& head) override;
  bool hold(std::uint64_t bytes) override;
  void take_request(const std::shared_ptr<Http2Stream>& stream) override;
  bool has_room() const override;
  Status put(std::string_view bytes) override;

 private:
  friend class Http2Exchange;
  struct Closer;
  struct Released;

  Task<void> read();
  Task<void> write();
  Task<void> tend();
  Task<void> say_goodbye();
  static Task<void> serve(std::shared_ptr<Http2Connection> self,
                          std::shared_ptr<Http2Stream> stream);

  /// Sends what can be sent without waiting; what is left, write() sends.
  void pump();
  void fail(const Error& why);
  void lose();
  void answer_refusal(Http2Stream& stream);
  bool look(SteadyPoint now);
  bool is_late(Http2Stream& stream, SteadyPoint now) const;
  bool end_late(Http2Stream& stream);
  std::chrono::nanoseconds write_limit() const;

  std::shared_ptr<ServerCore> core_;
  asio::any_io_executor strand_;
  std::unique_ptr<Transport> transport_;
  Peer peer_;
  const std::string_view refusal_;
  BodyBudget::Held bodies_;
  Http2Session session_;
  DateText date_;
  const SteadyPoint opened_;
  SteadyPoint idle_since_;   // while there are no streams
  int handlers_ = 0;         // running, or about to
  bool is_blocked_ = false;  // write() has the transport
  bool has_failed_ = false;
  bool has_ended_ = false;  // the peer sends no more
  bool is_lost_ = false;    // nothing is sent any more
  async::Event blocked_;
  async::Event wake_;      // for tend(): something has ended
  async::Event released_;  // a handler has ended
};

}  // namespace tetrarch::net
