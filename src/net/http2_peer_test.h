// SPDX-License-Identifier: Apache-2.0
// The client's side of HTTP/2 for tests, on libnghttp2 without any I/O, and frames written by hand
// for what no client would send.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "net/http.h"

typedef struct nghttp2_session nghttp2_session;  // NOLINT: nghttp2's own name

namespace tetrarch::net::testing {

/// What one request got.
struct Answer {
  int status = 0;
  Headers headers;
  std::string body;
  bool has_ended = false;  ///< END_STREAM
  bool is_closed = false;
  std::uint32_t error = 0;  ///< of a RST_STREAM
  int continues = 0;        ///< 100 Continue before the answer
};

struct PeerOptions {
  std::uint32_t window = 1024 * 1024;  ///< of each stream, as we announce it
  bool opens_windows = true;           ///< as bytes arrive
};

class Http2Peer {
 public:
  explicit Http2Peer(PeerOptions options = {});
  ~Http2Peer();
  Http2Peer(const Http2Peer&) = delete;
  Http2Peer& operator=(const Http2Peer&) = delete;

  /// Returns the stream. `is_whole`: nothing more is sent; else send_more() follows.
  std::int32_t request(std::string_view method,
                       std::string_view path,
                       std::string body = "",
                       std::vector<Header> headers = {},
                       bool is_whole = true);
  void send_more(std::int32_t stream, std::string bytes, bool is_whole);
  void reset(std::int32_t stream);
  void ping();
  void update_window(std::int32_t stream, std::int32_t by);

  /// What is to be sent.
  std::string take();
  /// False: the session is not to be fed any more.
  bool feed(std::string_view bytes);

  Answer& answer(std::int32_t stream) { return answers_[stream]; }

  int pongs() const { return pongs_; }

  /// The code of a GOAWAY; -1: there was none.
  std::int64_t goaway() const { return goaway_; }

  std::uint32_t remote_setting(std::int32_t id) const;

 private:
  struct Callbacks;

  struct Upload {
    std::string bytes;
    std::size_t at = 0;
    bool is_whole = true;
  };

  nghttp2_session* session_ = nullptr;
  std::map<std::int32_t, Upload> uploads_;
  std::map<std::int32_t, Answer> answers_;
  int pongs_ = 0;
  std::int64_t goaway_ = -1;
};

/// Source: RFC 9113 section 4.1: length, type, flags, stream, payload.
std::string frame(std::uint8_t type,
                  std::uint8_t flags,
                  std::uint32_t stream,
                  std::string_view payload);
std::string_view client_preface();

}  // namespace tetrarch::net::testing
