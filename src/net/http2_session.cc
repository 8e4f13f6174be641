// SPDX-License-Identifier: Apache-2.0
#include "net/http2_session.h"

#include <algorithm>

#include <nghttp2/nghttp2.h>

#include "base/check.h"
#include "net/body_budget.h"
#include "net/http2_request.h"
#include "net/response_head.h"

namespace tetrarch::net {
namespace {

/// One frame of DATA with its head fills one TLS record of 16 KB.
constexpr std::size_t kFrameHead = 9;
constexpr std::size_t kDataMax = 16 * 1024 - kFrameHead;
/// What one upload may have under way, and all of a connection together.
constexpr std::uint32_t kStreamWindow = 256 * 1024;
constexpr std::int32_t kConnectionWindow = 1024 * 1024;
/// A header that is this much too large is not worth an answer.
constexpr std::size_t kHeaderBombFactor = 4;
/// Clients open the window by 4 KB and more; this many updates are then never too many.
constexpr double kUpdatesPerKilobyte = 1;

std::string_view text(const nghttp2_vec& bytes) {
  return {reinterpret_cast<const char*>(bytes.base), bytes.len};
}

/// Header fields in the form that the library takes. Names are lower-case in HTTP/2.
class Fields {
 public:
  void add(std::string_view name, std::string_view value) {
    Field field{text_.size(), name.size(), 0};
    for (const char c : name) {
      text_ += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    append_clean(text_, value);
    field.value_size = text_.size() - field.begin - field.name_size;
    fields_.push_back(field);
  }

  std::vector<nghttp2_nv> list() {
    std::vector<nghttp2_nv> out;
    out.reserve(fields_.size());
    for (const auto& field : fields_) {
      auto* name = reinterpret_cast<std::uint8_t*>(text_.data()) + field.begin;
      out.push_back(
          {name, name + field.name_size, field.name_size, field.value_size, NGHTTP2_NV_FLAG_NONE});
    }
    return out;
  }

 private:
  struct Field {
    std::size_t begin;
    std::size_t name_size;
    std::size_t value_size;
  };

  std::string text_;
  std::vector<Field> fields_;
};

/// Source: RFC 9113 section 8.2.2: fields of a connection have no meaning in HTTP/2.
bool is_of_connection(std::string_view name) {
  return equals_ignoring_case(name, "Connection") || equals_ignoring_case(name, "Keep-Alive") ||
         equals_ignoring_case(name, "Transfer-Encoding") || equals_ignoring_case(name, "Upgrade");
}

}  // namespace

/// What the library calls; `user` is the session.
struct Http2Session::Callbacks {
  static Http2Session& session(void* user) { return *static_cast<Http2Session*>(user); }

  static Http2Stream* stream(Http2Session& self, std::int32_t id) {
    return static_cast<Http2Stream*>(nghttp2_session_get_stream_user_data(self.session_, id));
  }

  static int begin_headers(nghttp2_session* raw, const nghttp2_frame* frame, void* user) {
    auto& self = session(user);
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
      return 0;
    }
    const auto id = frame->hd.stream_id;
    if (self.streams_.size() >= self.limits_.streams) {
      // Streams that the client has reset count until their handlers have ended.
      nghttp2_submit_rst_stream(raw, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
      return 0;
    }
    auto made = std::make_shared<Http2Stream>(id, self.now_);
    nghttp2_session_set_stream_user_data(raw, id, made.get());
    // All answers take turns, frame by frame: neither a long one nor the client decides.
    const nghttp2_extpri equal{NGHTTP2_EXTPRI_DEFAULT_URGENCY, 1};
    nghttp2_session_change_extpri_stream_priority(raw, id, &equal, 1);
    self.streams_.emplace(id, std::move(made));
    return 0;
  }

  static int header(nghttp2_session* /*raw*/,
                    const nghttp2_frame* frame,
                    nghttp2_rcbuf* name,
                    nghttp2_rcbuf* value,
                    std::uint8_t /*flags*/,
                    void* user) {
    auto& self = session(user);
    auto* stream = Callbacks::stream(self, frame->hd.stream_id);
    if (stream == nullptr) {
      return 0;
    }
    const auto name_text = text(nghttp2_rcbuf_get_buf(name));
    const auto value_text = text(nghttp2_rcbuf_get_buf(value));
    // Source: RFC 9113 section 6.5.2, SETTINGS_MAX_HEADER_LIST_SIZE: 32 bytes are added to each.
    stream->header_bytes += name_text.size() + value_text.size() + 32;
    ++stream->header_count;
    if (stream->header_bytes > self.limits_.header_bytes * kHeaderBombFactor) {
      self.terminate("a header is several times too large");
      return 0;
    }
    const bool is_too_large = stream->header_bytes > self.limits_.header_bytes ||
                              stream->header_count > self.limits_.headers;
    if (is_too_large) {
      stream->refusal = 431;
    } else if (!stream->has_header) {  // Ours: nobody reads trailers
      take_field(*stream, name_text, value_text);
    }
    return 0;
  }

  static int frame_begun(nghttp2_session* /*raw*/, const nghttp2_frame_hd* head, void* user) {
    auto& self = session(user);
    const bool is_empty_data = head->type == NGHTTP2_DATA && head->length == 0 &&
                               (head->flags & NGHTTP2_FLAG_END_STREAM) == 0;
    // The library refuses what is beyond the limit by itself, and ends a connection that knew the
    // limit; so those of one that did not are counted here.
    const bool is_refused =
        head->type == NGHTTP2_HEADERS && self.streams_.size() >= self.limits_.streams;
    const bool asks = head->type == NGHTTP2_DATA || head->type == NGHTTP2_HEADERS;
    if (is_empty_data || is_refused || !asks) {
      self.nuisance();
    }
    return 0;
  }

  static int frame_received(nghttp2_session* /*raw*/, const nghttp2_frame* frame, void* user) {
    auto& self = session(user);
    if (frame->hd.type == NGHTTP2_SETTINGS) {
      self.has_greeted_ = true;
    }
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) {
      return 0;
    }
    auto* stream = Callbacks::stream(self, frame->hd.stream_id);
    if (stream == nullptr) {
      return 0;
    }
    const bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (frame->hd.type == NGHTTP2_HEADERS && !stream->has_header) {
      self.end_header(*stream, is_end);
    }
    if (is_end) {
      self.note_end(*stream);
    }
    return 0;
  }

  static int frame_refused(nghttp2_session* /*raw*/,
                           const nghttp2_frame* /*frame*/,
                           int /*error*/,
                           void* user) {
    session(user).nuisance();
    return 0;
  }

  static int data(nghttp2_session* /*raw*/,
                  std::uint8_t /*flags*/,
                  std::int32_t id,
                  const std::uint8_t* bytes,
                  std::size_t size,
                  void* user) {
    auto& self = session(user);
    nghttp2_session_consume_connection(self.session_, size);
    if (auto* stream = Callbacks::stream(self, id)) {
      self.take_data(*stream, {reinterpret_cast<const char*>(bytes), size});
    }
    return 0;
  }

  static int closed(nghttp2_session* /*raw*/, std::int32_t id, std::uint32_t /*code*/, void* user) {
    auto& self = session(user);
    if (auto* stream = Callbacks::stream(self, id)) {
      self.close(*stream);
    }
    return 0;
  }

  static ssize_t send(nghttp2_session* /*raw*/,
                      const std::uint8_t* bytes,
                      std::size_t size,
                      int /*flags*/,
                      void* user) {
    auto& self = session(user);
    if (!self.owner_.has_room()) {
      return NGHTTP2_ERR_WOULDBLOCK;
    }
    const auto put = self.owner_.put({reinterpret_cast<const char*>(bytes), size});
    return put.ok() ? static_cast<ssize_t>(size) : ssize_t{NGHTTP2_ERR_CALLBACK_FAILURE};
  }

  static ssize_t read_answer(nghttp2_session* /*raw*/,
                             std::int32_t /*id*/,
                             std::uint8_t* /*buffer*/,
                             std::size_t size,
                             std::uint32_t* flags,
                             nghttp2_data_source* source,
                             void* /*user*/) {
    auto& stream = *static_cast<Http2Stream*>(source->ptr);
    if (stream.left == 0 && !stream.is_last) {
      stream.is_deferred = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    const auto count = std::min<std::uint64_t>({size, kDataMax, stream.left});
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (count == stream.left && stream.is_last) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return static_cast<ssize_t>(count);
  }

  /// The pieces go to the owner as they lie in memory.
  static int send_data(nghttp2_session* /*raw*/,
                       nghttp2_frame* frame,
                       const std::uint8_t* head,
                       std::size_t size,
                       nghttp2_data_source* source,
                       void* user) {
    auto& self = session(user);
    auto& stream = *static_cast<Http2Stream*>(source->ptr);
    if (stream.left < size) {
      return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;  // who wrote has given up meanwhile
    }
    if (!self.owner_.has_room()) {
      return NGHTTP2_ERR_WOULDBLOCK;
    }
    if (!self.owner_.put({reinterpret_cast<const char*>(head), kFrameHead}).ok() ||
        !self.take_pieces(stream, size).ok()) {
      return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      stream.is_ended = true;
    }
    return 0;
  }

  static nghttp2_session* make(Http2Session& self) {
    nghttp2_session_callbacks* calls = nullptr;
    CHECK(nghttp2_session_callbacks_new(&calls) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(calls, &begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(calls, &header);
    nghttp2_session_callbacks_set_on_begin_frame_callback(calls, &frame_begun);
    nghttp2_session_callbacks_set_on_frame_recv_callback(calls, &frame_received);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(calls, &frame_refused);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, &data);
    nghttp2_session_callbacks_set_on_stream_close_callback(calls, &closed);
    nghttp2_session_callbacks_set_send_callback(calls, &send);
    nghttp2_session_callbacks_set_send_data_callback(calls, &send_data);
    nghttp2_option* options = nullptr;
    CHECK(nghttp2_option_new(&options) == 0);
    nghttp2_option_set_no_closed_streams(options, 1);
    nghttp2_option_set_no_auto_window_update(options, 1);
    // Its own count of resets would come before ours and say nothing to the log.
    nghttp2_option_set_stream_reset_rate_limit(options, 1'000'000, 1'000'000);
    nghttp2_session* made = nullptr;
    CHECK(nghttp2_session_server_new2(&made, calls, &self, options) == 0);
    nghttp2_option_del(options);
    nghttp2_session_callbacks_del(calls);
    return made;
  }
};

Http2Session::Http2Session(const Http2Limits& limits, Http2Owner& owner)
    : limits_(limits),
      owner_(owner),
      session_(Callbacks::make(*this)),
      nuisances_(limits.nuisances, limits.nuisances_per_second) {
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits_.streams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits_.header_bytes},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  };
  CHECK(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings)) == 0);
  CHECK(nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow) ==
        0);
}

Http2Session::~Http2Session() {
  nghttp2_session_del(session_);
}

Status Http2Session::feed(std::string_view bytes, SteadyPoint now) {
  now_ = now;
  const auto used = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (used < 0) {
    return Error{Code::malformed, nghttp2_strerror(static_cast<int>(used))};
  }
  return too_much_.empty() ? ok() : Status{Error{Code::exhausted, too_much_}};
}

Status Http2Session::send() {
  const int outcome = nghttp2_session_send(session_);
  return outcome == 0 ? ok() : Status{Error{Code::internal, nghttp2_strerror(outcome)}};
}

bool Http2Session::wants_to_send() const {
  return nghttp2_session_want_write(session_) != 0;
}

bool Http2Session::is_over() const {
  return nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
}

void Http2Session::nuisance() {
  if (!nuisances_.take(now_)) {
    terminate("too many frames that ask for nothing");
  }
}

void Http2Session::terminate(std::string_view why) {
  if (too_much_.empty()) {
    too_much_ = why;
    nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
  }
}

void Http2Session::end_header(Http2Stream& stream, bool is_end) {
  stream.has_header = true;
  if (stream.is_handed_over) {
    return;
  }
  stream.taker = owner_.taker_of(stream.request);
  if (stream.refusal == 0) {
    const auto bytes_max = stream.taker != nullptr ? UINT64_MAX : limits_.body_bytes;
    stream.refusal = check_request(stream.request, bytes_max);
  }
  if (stream.refusal != 0) {
    refuse(stream, stream.refusal);
    return;
  }
  if (stream.wants_continue && !is_end) {
    static constexpr std::string_view kName = ":status";
    static constexpr std::string_view kValue = "100";
    Fields fields;
    fields.add(kName, kValue);
    const auto list = fields.list();
    nghttp2_submit_headers(
        session_, NGHTTP2_FLAG_NONE, stream.id, nullptr, list.data(), list.size(), nullptr);
  }
  if (stream.taker != nullptr) {
    stream.is_whole = is_end;
    hand_over(stream);
  }
}

void Http2Session::refuse(Http2Stream& stream, int status) {
  if (stream.is_handed_over) {
    return;
  }
  stream.refusal = status;
  switch (status) {
    case 413:
      // Source: the words of a kube-apiserver, which users know.
      stream.refusal_message =
          "Request entity too large: limit is " + std::to_string(limits_.body_bytes);
      break;
    case 417:
      stream.refusal_message = "the only expectation met here is 100-continue";
      break;
    case 431:
      stream.refusal_message =
          "the request's header is larger than " + std::to_string(limits_.header_bytes) + " bytes";
      break;
    case 408:
      stream.refusal_message = "the request took too long to arrive";
      break;
    case 503:
      stream.refusal_message = kTooManyBodies;
      break;
    default:
      stream.refusal_message = "the request has no path";
  }
  hand_over(stream);
}

void Http2Session::hand_over(Http2Stream& stream) {
  stream.is_handed_over = true;
  const auto shared = streams_.at(stream.id);
  owner_.take_request(shared);
}

void Http2Session::note_end(Http2Stream& stream) {
  stream.is_whole = true;
  stream.more.raise();
  if (!stream.is_handed_over) {
    hand_over(stream);
  }
}

bool Http2Session::hold(Http2Stream& stream, std::size_t bytes) {
  if (uploads_ + bytes > limits_.upload_bytes || !owner_.hold(uploads_ + bytes)) {
    return false;
  }
  uploads_ += bytes;
  stream.body_bytes += bytes;
  return true;
}

void Http2Session::let_go(Http2Stream& stream, std::size_t bytes) {
  uploads_ -= bytes;
  stream.body_bytes -= bytes;
  (void)owner_.hold(uploads_);
}

/// The window opens again when it is taken.
void Http2Session::hold_piece(Http2Stream& stream, std::string_view bytes) {
  if (!hold(stream, bytes.size())) {
    stream.is_cut = true;
    (void)take_arrived(stream);
    reset(stream, Reason::cancelled);
    stream.more.raise();
    return;
  }
  stream.arrived.append(bytes);
  stream.more.raise();
}

std::string Http2Session::take_arrived(Http2Stream& stream) {
  auto out = std::exchange(stream.arrived, {});
  let_go(stream, out.size());
  if (!stream.is_closed) {
    nghttp2_session_consume_stream(session_, stream.id, out.size());
  }
  return out;
}

void Http2Session::take_data(Http2Stream& stream, std::string_view bytes) {
  const bool is_wanted =
      stream.refusal == 0 && !stream.is_cut && !stream.is_released && !stream.is_ended;
  if (stream.taker != nullptr && is_wanted) {
    hold_piece(stream, bytes);
    return;
  }
  nghttp2_session_consume_stream(session_, stream.id, bytes.size());
  if (stream.is_handed_over) {
    stream.dropped_bytes += bytes.size();
    if (stream.is_ended && stream.dropped_bytes > limits_.dropped_bytes) {
      reset(stream, Reason::answered);
    }
    return;
  }
  if (stream.request.body.size() + bytes.size() > limits_.body_bytes) {
    refuse(stream, 413);
    return;
  }
  if (!hold(stream, bytes.size())) {
    refuse(stream, 503);
    return;
  }
  stream.request.body.append(bytes);
}

void Http2Session::close(Http2Stream& stream) {
  const auto shared = streams_.at(stream.id);
  stream.is_closed = true;
  stream.pieces.clear();
  stream.left = 0;
  if (!stream.is_ended) {
    stream.note_gone();
  }
  stream.changed.raise();
  stream.more.raise();
  if (!stream.is_handed_over || stream.is_released) {
    forget(stream);
  }
}

void Http2Session::forget(Http2Stream& stream) {
  let_go(stream, stream.body_bytes);
  streams_.erase(stream.id);
}

void Http2Session::release(Http2Stream& stream) {
  stream.is_released = true;
  (void)take_arrived(stream);
  if (stream.is_closed) {
    forget(stream);
  }
}

Status Http2Session::begin_answer(Http2Stream& stream,
                                  int status,
                                  const Headers& headers,
                                  bool has_body) {
  if (stream.is_closed) {
    return Error{Code::cancelled, "the client has gone away"};
  }
  Fields fields;
  fields.add(":status", std::to_string(status));
  for (const auto& header : headers.list()) {
    if (!is_of_connection(header.name)) {
      fields.add(header.name, header.value);
    }
  }
  const auto list = fields.list();
  nghttp2_data_provider provider{{.ptr = &stream}, &Callbacks::read_answer};
  const int outcome = nghttp2_submit_response(
      session_, stream.id, list.data(), list.size(), has_body ? &provider : nullptr);
  if (outcome != 0) {
    return Error{Code::internal, nghttp2_strerror(outcome)};
  }
  stream.is_ended = !has_body;
  return ok();
}

void Http2Session::push(Http2Stream& stream,
                        std::vector<std::string_view> pieces,
                        bool is_last,
                        SteadyPoint now) {
  CHECK(stream.left == 0);
  stream.pieces = std::move(pieces);
  stream.at = 0;
  for (const auto piece : stream.pieces) {
    stream.left += piece.size();
  }
  stream.is_last = is_last;
  stream.since = now;
  stream.left_then = stream.left;
  if (std::exchange(stream.is_deferred, false) && !stream.is_closed) {
    nghttp2_session_resume_data(session_, stream.id);
  }
}

Status Http2Session::take_pieces(Http2Stream& stream, std::size_t size) {
  stream.left -= size;
  nuisances_.give(kUpdatesPerKilobyte * static_cast<double>(size) / 1024);
  while (size > 0) {
    auto& piece = stream.pieces[stream.at];
    const auto part = piece.substr(0, size);
    TRY_STATUS(owner_.put(part));
    size -= part.size();
    piece.remove_prefix(part.size());
    if (piece.empty()) {
      ++stream.at;
    }
  }
  if (stream.left == 0) {
    stream.pieces.clear();
    stream.at = 0;
    stream.changed.raise();
  }
  return ok();
}

void Http2Session::reset(Http2Stream& stream, Reason why) {
  stream.pieces.clear();
  stream.left = 0;
  if (stream.is_closed) {
    return;
  }
  // Source: RFC 9113 section 8.1: after the answer, NO_ERROR asks the client to stop sending.
  const auto code = why == Reason::failed      ? NGHTTP2_INTERNAL_ERROR
                    : why == Reason::cancelled ? NGHTTP2_CANCEL
                                               : NGHTTP2_NO_ERROR;
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, code);
}

void Http2Session::shut() {
  nghttp2_submit_goaway(session_,
                        NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_),
                        NGHTTP2_NO_ERROR,
                        nullptr,
                        0);
}

void Http2Session::lose_all() {
  const auto all = streams_;  // closing one changes the map
  for (const auto& [id, stream] : all) {
    if (!stream->is_closed) {
      close(*stream);
    }
  }
}

}  // namespace tetrarch::net
