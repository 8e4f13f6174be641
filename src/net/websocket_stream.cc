// SPDX-License-Identifier: Apache-2.0
#include "net/websocket_stream.h"

#include <vector>

#include "async/timer.h"
#include "net/websocket_codec.h"

namespace tetrarch::net {
namespace {

using websocket::Opcode;

constexpr std::size_t kReadSize = 32 * 1024;
/// Pongs waiting behind a slow write; more are dropped (an unanswered ping is the peer's to judge).
constexpr std::size_t kPendingMax = 64 * 1024;

class StreamWebSocket final : public WebSocket {
 public:
  explicit StreamWebSocket(std::unique_ptr<Stream> stream)
      : stream_(std::move(stream)), decoder_(kWebSocketMessageMax), buffer_(kReadSize) {}

  Task<Result<Message>> read() override;
  Task<Status> write(bool is_text, std::string_view bytes) override;
  Task<Status> close(std::uint16_t code, std::string_view reason) override;

 private:
  Task<Result<websocket::Frame>> read_frame();
  Task<Result<bool>> take(websocket::Frame frame);
  Task<Status> send(Opcode opcode, std::string_view payload);
  Task<Status> flush();
  Task<Error> fail(std::uint16_t code, Error error);

  std::unique_ptr<Stream> stream_;
  websocket::Decoder decoder_;
  std::vector<char> buffer_;
  Message message_;
  bool is_in_message_ = false;
  bool is_closed_ = false;
  std::string pending_;  // frames not handed to the stream yet
  bool is_flushing_ = false;
  async::Event flushed_;
};

Task<Status> StreamWebSocket::flush() {
  if (is_flushing_) {
    co_return ok();
  }
  is_flushing_ = true;
  Status outcome = ok();
  while (outcome.ok() && !pending_.empty()) {
    const std::string sending = std::exchange(pending_, {});
    outcome = co_await stream_->write(sending);
  }
  is_flushing_ = false;
  flushed_.raise();
  co_return outcome;
}

Task<Status> StreamWebSocket::send(Opcode opcode, std::string_view payload) {
  while (is_flushing_) {
    co_await flushed_.wait();  // the reader is sending a pong
  }
  websocket::append_frame(pending_, opcode, payload);
  co_return co_await flush();
}

Task<Status> StreamWebSocket::write(bool is_text, std::string_view bytes) {
  if (is_closed_) {
    co_return Error{Code::cancelled, "the WebSocket is closed"};
  }
  co_return co_await send(is_text ? Opcode::text : Opcode::binary, bytes);
}

Task<Status> StreamWebSocket::close(std::uint16_t code, std::string_view reason) {
  if (std::exchange(is_closed_, true)) {
    co_return ok();
  }
  const auto payload = websocket::close_payload(code, reason);
  CO_TRY_STATUS(co_await send(Opcode::close, payload));
  co_return co_await stream_->shut_write();
}

Task<Error> StreamWebSocket::fail(std::uint16_t code, Error error) {
  (void)co_await close(code, error.message);
  co_return error;
}

Task<Result<websocket::Frame>> StreamWebSocket::read_frame() {
  while (true) {
    auto next = decoder_.next();
    if (!next.ok()) {
      const auto code =
          next.error().code == Code::too_large ? websocket::kTooBig : websocket::kProtocolError;
      co_return co_await fail(code, std::move(next).error());
    }
    if (next->has_value()) {
      co_return std::move(**next);
    }
    CO_TRY(const auto got, co_await stream_->read(buffer_.data(), buffer_.size()));
    if (got == 0) {
      co_return Error{Code::cancelled, "the WebSocket's connection has ended"};
    }
    decoder_.feed({buffer_.data(), got});
  }
}

/// True once message_ is whole.
Task<Result<bool>> StreamWebSocket::take(websocket::Frame frame) {
  switch (frame.opcode) {
    case Opcode::ping:
      if (pending_.size() < kPendingMax) {
        websocket::append_frame(pending_, Opcode::pong, frame.payload);
        CO_TRY_STATUS(co_await flush());
      }
      co_return false;
    case Opcode::pong:
      co_return false;
    case Opcode::close:
      if (!std::exchange(is_closed_, true)) {
        websocket::append_frame(
            pending_, Opcode::close, std::string_view(frame.payload).substr(0, 2));
        (void)co_await flush();
      }
      co_return Error{Code::cancelled, "the client closed the WebSocket"};
    case Opcode::text:
    case Opcode::binary:
    case Opcode::continuation:
      break;
  }
  const bool is_first = frame.opcode != Opcode::continuation;
  if (is_first == is_in_message_) {
    Error error(Code::malformed, "WebSocket messages are mixed up");
    co_return co_await fail(websocket::kProtocolError, std::move(error));
  }
  if (is_first) {
    message_.is_text = frame.opcode == Opcode::text;
    message_.bytes = std::move(frame.payload);
  } else {
    message_.bytes += frame.payload;
  }
  if (message_.bytes.size() > kWebSocketMessageMax) {
    Error error(Code::too_large, "a WebSocket message is too large");
    co_return co_await fail(websocket::kTooBig, std::move(error));
  }
  is_in_message_ = !frame.is_final;
  co_return frame.is_final;
}

Task<Result<Message>> StreamWebSocket::read() {
  while (true) {
    CO_TRY(auto frame, co_await read_frame());
    CO_TRY(const bool is_whole, co_await take(std::move(frame)));
    if (is_whole) {
      co_return std::exchange(message_, {});
    }
  }
}

}  // namespace

std::unique_ptr<WebSocket> make_websocket(std::unique_ptr<Stream> stream) {
  return std::make_unique<StreamWebSocket>(std::move(stream));
}

}  // namespace tetrarch::net
