// SPDX-License-Identifier: Apache-2.0
// The server's side of the HTTP/2 protocol without any I/O, on libnghttp2: bytes in, requests out;
// answers in, bytes out. Bounds what a peer may make us hold or do. Owned by a connection; one
// strand. Inside net only.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "net/http2_stream.h"
#include "net/token_bucket.h"

typedef struct nghttp2_session nghttp2_session;  // NOLINT: nghttp2's own name

namespace tetrarch::net {

struct Http2Limits {
  std::uint32_t header_bytes = 64 * 1024;      ///< of one request, decoded; more: 431
  std::size_t headers = 200;                   ///< more: 431
  std::uint64_t body_bytes = 3 * 1024 * 1024;  ///< of one request; more: 413
  std::uint64_t upload_bytes =
      16 * 1024 * 1024;  ///< of all requests that are not answered yet; more: 503
  /// What a client still sends of a request that has its answer is dropped; more ends the stream.
  std::uint64_t dropped_bytes = 16 * 1024 * 1024;
  std::uint32_t streams = 250;  ///< more are refused, and may be tried again
  /// Frames that make us work for nothing (PING, SETTINGS, RST_STREAM, WINDOW_UPDATE of next to
  /// nothing …): so many at once, so many a second. More ends the connection.
  double nuisances = 2000;
  double nuisances_per_second = 100;
};

/// Who owns a session. Called from within feed() and send(), and may call neither.
class Http2Owner {
 public:
  virtual ~Http2Owner() = default;
  /// Who takes the body of that request in pieces; null: nobody.
  virtual UploadHandler* taker_of(const Request& head) = 0;
  /// So many bytes of bodies are held from now on. False: they may not be, and what was held still
  /// is. Fewer always may.
  virtual bool hold(std::uint64_t bytes) = 0;
  /// The request is whole, or has a taker or a refusal. release() when it needs no answer any more.
  virtual void take_request(const std::shared_ptr<Http2Stream>& stream) = 0;
  /// Whether there is room for more output.
  virtual bool has_room() const = 0;
  virtual Status put(std::string_view bytes) = 0;
};

class Http2Session {
 public:
  using Streams = std::unordered_map<std::int32_t, std::shared_ptr<Http2Stream>>;

  Http2Session(const Http2Limits& limits, Http2Owner& owner);
  ~Http2Session();
  Http2Session(const Http2Session&) = delete;
  Http2Session& operator=(const Http2Session&) = delete;

  /// Bytes of the peer. An error: this is no HTTP/2, or too much of it; what send() has left to say
  /// tells the peer so.
  Status feed(std::string_view bytes, SteadyPoint now);
  /// Puts what there is to send to the owner, as long as it has room.
  Status send();
  bool wants_to_send() const;
  /// Nothing more can come of this session.
  bool is_over() const;

  /// What has arrived of a body that is taken in pieces; the peer may send as much again.
  std::string take_arrived(Http2Stream& stream);

  /// The head of the answer. `has_body`: pieces follow, by push(). Status 101 cannot be.
  Status begin_answer(Http2Stream& stream, int status, const Headers& headers, bool has_body);
  /// Pieces to be sent; the caller keeps their memory. Only when none are left of before.
  void push(Http2Stream& stream,
            std::vector<std::string_view> pieces,
            bool is_last,
            SteadyPoint now);
  enum class Reason : std::uint8_t { failed, cancelled, answered };
  /// Ends the stream in the middle of its answer, or of what nobody reads any more.
  void reset(Http2Stream& stream, Reason why);
  /// Answers with `status` instead of asking a handler; nothing where one has been asked.
  void refuse(Http2Stream& stream, int status);
  /// Its handler has ended.
  void release(Http2Stream& stream);

  /// GOAWAY: no further request is taken; those that were are answered.
  void shut();
  /// The connection is lost: all streams are gone.
  void lose_all();

  const Streams& streams() const { return streams_; }

  bool has_greeted() const { return has_greeted_; }

 private:
  struct Callbacks;

  void nuisance();
  void terminate(std::string_view why);
  void end_header(Http2Stream& stream, bool is_end);
  void take_data(Http2Stream& stream, std::string_view bytes);
  void hold_piece(Http2Stream& stream, std::string_view bytes);
  /// False: there is no room for them.
  bool hold(Http2Stream& stream, std::size_t bytes);
  void let_go(Http2Stream& stream, std::size_t bytes);
  void note_end(Http2Stream& stream);
  void hand_over(Http2Stream& stream);
  void close(Http2Stream& stream);
  void forget(Http2Stream& stream);
  Status take_pieces(Http2Stream& stream, std::size_t size);

  const Http2Limits limits_;
  Http2Owner& owner_;
  nghttp2_session* session_ = nullptr;
  Streams streams_;            // known to the peer, or with a handler that runs
  std::uint64_t uploads_ = 0;  // bytes of bodies that are held
  TokenBucket nuisances_;
  SteadyPoint now_{};
  std::string too_much_;  // why the session was terminated
  bool has_greeted_ = false;
};

}  // namespace tetrarch::net
