// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/websocket_bytes.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace tetrarch::api::kubernetes {
namespace {

class WebSocketBytes final : public net::Stream {
 public:
  explicit WebSocketBytes(std::unique_ptr<net::WebSocket> socket) : socket_(std::move(socket)) {}

  Task<Result<std::size_t>> read(char* into, std::size_t size) override {
    while (used_ == message_.size()) {
      if (is_closed_) {
        co_return Error{Code::cancelled, "the tunnel is closed"};
      }
      auto message = co_await socket_->read();
      if (!message.ok()) {
        if (message.error().code == Code::cancelled) {
          co_return std::size_t{0};
        }
        co_return message.error();
      }
      message_ = std::move(message->bytes);
      used_ = 0;
    }
    const auto count = std::min(size, message_.size() - used_);
    std::memcpy(into, message_.data() + used_, count);
    used_ += count;
    co_return count;
  }

  Task<Status> write(std::string_view bytes) override {
    if (is_closed_) {
      co_return Error{Code::cancelled, "the tunnel is closed"};
    }
    co_return co_await socket_->write(false, bytes);
  }

  Task<Status> shut_write() override { co_return co_await socket_->close(1000, ""); }

  /// Whoever still reads is cancelled by its owner; the socket lives until then.
  void close() override { is_closed_ = true; }

 private:
  std::unique_ptr<net::WebSocket> socket_;
  bool is_closed_ = false;
  std::string message_;
  std::size_t used_ = 0;
};

}  // namespace

std::unique_ptr<net::Stream> make_websocket_bytes(std::unique_ptr<net::WebSocket> socket) {
  return std::make_unique<WebSocketBytes>(std::move(socket));
}

}  // namespace tetrarch::api::kubernetes
