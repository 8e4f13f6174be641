// SPDX-License-Identifier: Apache-2.0
// One stream of an HTTP/2 connection: the request as it arrives, and the answer as it is taken by
// the session. Shared by the session (while the peer knows the stream) and the handler (while it
// runs). One strand. Inside net only.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "async/timer.h"
#include "base/clock.h"
#include "net/http.h"
#include "net/upload_handler.h"

namespace tetrarch::net {

struct Http2Stream {
  Http2Stream(std::int32_t its_id, SteadyPoint now) : id(its_id), since(now) {}

  const std::int32_t id;

  // The request; written by the session.
  Request request;
  std::size_t header_bytes = 0;     ///< as RFC 9113 section 6.5.2 counts them
  std::size_t header_count = 0;     ///< trailers too
  std::uint64_t body_bytes = 0;     ///< held for this stream
  std::uint64_t dropped_bytes = 0;  ///< of a request that has its answer
  bool has_header = false;
  bool wants_continue = false;
  bool is_handed_over = false;  ///< the owner has it; what still arrives is dropped
  bool is_released = false;     ///< the owner is done with it
  int refusal = 0;              ///< a status to answer with instead of asking a handler
  std::string refusal_message;
  bool is_whole = false;           ///< END_STREAM has come
  UploadHandler* taker = nullptr;  ///< takes the body as it comes; null: it gets it whole
  std::string arrived;             ///< of such a body: not taken yet
  bool is_cut = false;             ///< too much of it was left untaken
  async::Event more;               ///< more of it has arrived, or no more will

  // The answer. The pieces belong to whoever writes and waits until `left` is 0 or the stream has
  // closed.
  std::vector<std::string_view> pieces;
  std::size_t at = 0;        ///< the first piece that is not wholly taken
  std::uint64_t left = 0;    ///< bytes of pieces that are not taken
  bool is_last = false;      ///< the stream ends with them
  bool is_ended = false;     ///< the end of the answer has been taken
  bool is_deferred = false;  ///< the session asks for no more until it is told
  std::string own_body;      ///< of an answer that nobody waits for

  bool is_closed = false;        ///< the session knows it no more
  bool is_gone = false;          ///< closed before the answer's end, or the server is stopping
  SteadyPoint since;             ///< when what is waited for began to be waited for
  std::uint64_t left_then = 0;   ///< `left` at that time
  bool is_streaming = false;     ///< the answer has an open length
  std::function<void()> notice;  ///< called once, when is_gone becomes true
  async::Event changed;          ///< `left` has become 0, or the stream has closed

  void note_gone() {
    is_gone = true;
    if (auto call = std::exchange(notice, nullptr)) {
      call();
    }
  }
};

}  // namespace tetrarch::net
