// SPDX-License-Identifier: Apache-2.0
#include "net/http2_peer_test.h"

#include <algorithm>
#include <cstring>

#include <nghttp2/nghttp2.h>

namespace tetrarch::net::testing {

struct Http2Peer::Callbacks {
  static Http2Peer& self(void* user) { return *static_cast<Http2Peer*>(user); }

  static int header(nghttp2_session* /*session*/,
                    const nghttp2_frame* frame,
                    const std::uint8_t* name,
                    std::size_t name_size,
                    const std::uint8_t* value,
                    std::size_t value_size,
                    std::uint8_t /*flags*/,
                    void* user) {
    auto& answer = self(user).answers_[frame->hd.stream_id];
    const std::string key(reinterpret_cast<const char*>(name), name_size);
    const std::string text(reinterpret_cast<const char*>(value), value_size);
    if (key != ":status") {
      answer.headers.add(key, text);
    } else if (text == "100") {
      ++answer.continues;
    } else {
      answer.status = std::stoi(text);
    }
    return 0;
  }

  static int received(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user) {
    auto& peer = self(user);
    const bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
      case NGHTTP2_DATA:
        peer.answers_[frame->hd.stream_id].has_ended |= is_end;
        break;
      case NGHTTP2_PING:
        ++peer.pongs_;
        break;
      case NGHTTP2_GOAWAY:
        peer.goaway_ = frame->goaway.error_code;
        break;
      default:
        break;
    }
    return 0;
  }

  static int data(nghttp2_session* /*session*/,
                  std::uint8_t /*flags*/,
                  std::int32_t stream,
                  const std::uint8_t* bytes,
                  std::size_t size,
                  void* user) {
    self(user).answers_[stream].body.append(reinterpret_cast<const char*>(bytes), size);
    return 0;
  }

  static int closed(nghttp2_session* /*session*/,
                    std::int32_t stream,
                    std::uint32_t error,
                    void* user) {
    auto& answer = self(user).answers_[stream];
    answer.is_closed = true;
    answer.error = error;
    return 0;
  }

  static ssize_t upload(nghttp2_session* /*session*/,
                        std::int32_t stream,
                        std::uint8_t* into,
                        std::size_t size,
                        std::uint32_t* flags,
                        nghttp2_data_source* /*source*/,
                        void* user) {
    auto& upload = self(user).uploads_[stream];
    const auto count = std::min(size, upload.bytes.size() - upload.at);
    std::memcpy(into, upload.bytes.data() + upload.at, count);
    upload.at += count;
    if (upload.at == upload.bytes.size() && upload.is_whole) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
    } else if (count == 0) {
      return NGHTTP2_ERR_DEFERRED;
    }
    return static_cast<ssize_t>(count);
  }
};

Http2Peer::Http2Peer(PeerOptions options) {
  nghttp2_session_callbacks* calls = nullptr;
  nghttp2_session_callbacks_new(&calls);
  nghttp2_session_callbacks_set_on_header_callback(calls, &Callbacks::header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(calls, &Callbacks::received);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, &Callbacks::data);
  nghttp2_session_callbacks_set_on_stream_close_callback(calls, &Callbacks::closed);
  nghttp2_option* settings = nullptr;
  nghttp2_option_new(&settings);
  nghttp2_option_set_no_auto_window_update(settings, options.opens_windows ? 0 : 1);
  nghttp2_option_set_peer_max_concurrent_streams(settings, 100'000);
  nghttp2_session_client_new2(&session_, calls, this, settings);
  nghttp2_option_del(settings);
  nghttp2_session_callbacks_del(calls);
  const nghttp2_settings_entry window{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options.window};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, &window, 1);
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, 1 << 30);
}

Http2Peer::~Http2Peer() {
  nghttp2_session_del(session_);
}

std::int32_t Http2Peer::request(std::string_view method,
                                std::string_view path,
                                std::string body,
                                std::vector<Header> headers,
                                bool is_whole) {
  headers.insert(headers.begin(),
                 {{":method", std::string(method)},
                  {":scheme", "https"},
                  {":authority", "localhost"},
                  {":path", std::string(path)}});
  std::vector<nghttp2_nv> list;
  for (auto& header : headers) {
    list.push_back({reinterpret_cast<std::uint8_t*>(header.name.data()),
                    reinterpret_cast<std::uint8_t*>(header.value.data()),
                    header.name.size(),
                    header.value.size(),
                    NGHTTP2_NV_FLAG_NONE});
  }
  const nghttp2_data_provider provider{{.ptr = nullptr}, &Callbacks::upload};
  const bool has_body = !body.empty() || !is_whole;
  const auto stream = nghttp2_submit_request(
      session_, nullptr, list.data(), list.size(), has_body ? &provider : nullptr, nullptr);
  uploads_[stream] = {std::move(body), 0, is_whole};
  return stream;
}

void Http2Peer::send_more(std::int32_t stream, std::string bytes, bool is_whole) {
  auto& upload = uploads_[stream];
  upload.bytes += bytes;
  upload.is_whole = is_whole;
  nghttp2_session_resume_data(session_, stream);
}

void Http2Peer::reset(std::int32_t stream) {
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
}

void Http2Peer::ping() {
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
}

void Http2Peer::update_window(std::int32_t stream, std::int32_t by) {
  nghttp2_submit_window_update(session_, NGHTTP2_FLAG_NONE, stream, by);
}

std::string Http2Peer::take() {
  std::string out;
  const std::uint8_t* bytes = nullptr;
  while (true) {
    const auto size = nghttp2_session_mem_send(session_, &bytes);
    if (size <= 0) {
      return out;
    }
    out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  }
}

bool Http2Peer::feed(std::string_view bytes) {
  return nghttp2_session_mem_recv(
             session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()) >= 0;
}

std::uint32_t Http2Peer::remote_setting(std::int32_t id) const {
  return nghttp2_session_get_remote_settings(session_, static_cast<nghttp2_settings_id>(id));
}

std::string frame(std::uint8_t type,
                  std::uint8_t flags,
                  std::uint32_t stream,
                  std::string_view payload) {
  const auto size = payload.size();
  std::string out;
  for (const auto byte : {size >> 16, size >> 8, size}) {
    out += static_cast<char>(byte & 0xff);
  }
  out += static_cast<char>(type);
  out += static_cast<char>(flags);
  for (const int shift : {24, 16, 8, 0}) {
    out += static_cast<char>((stream >> shift) & 0xff);
  }
  return out.append(payload);
}

std::string_view client_preface() {
  return {NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN};
}

}  // namespace tetrarch::net::testing
