// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/exec_websocket.h"

#include <algorithm>
#include <array>

namespace tetrarch::api::kubernetes {
namespace {

// Source: Kubernetes documentation, "Transition from SPDY to WebSockets" (v5 adds the close channel
// to v4); before v4 the error channel carries plain text.
constexpr std::string_view kV5 = "v5.channel.k8s.io";
constexpr std::string_view kV4 = "v4.channel.k8s.io";
constexpr std::string_view kV1 = "channel.k8s.io";
constexpr auto kPreferred = std::to_array<std::string_view>({kV5, kV4, kV1});

constexpr std::uint16_t kNormalClosure = 1000;  // Source: RFC 6455 section 7.4.1

bool has_word(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const auto end = list.find(',');
    auto part = list.substr(0, end);
    list = end == std::string_view::npos ? std::string_view{} : list.substr(end + 1);
    part.remove_prefix(std::min(part.find_first_not_of(' '), part.size()));
    part = part.substr(0, part.find_last_not_of(' ') + 1);
    if (part == word) {
      return true;
    }
  }
  return false;
}

bool is_input(Channel channel) {
  return channel == Channel::in || channel == Channel::resize || channel == Channel::close;
}

class WebSocketClient final : public RemoteClient {
 public:
  WebSocketClient(std::unique_ptr<net::WebSocket> socket, std::string subprotocol)
      : socket_(std::move(socket)), subprotocol_(std::move(subprotocol)) {}

  Task<Result<Frame>> read() override {
    while (true) {
      CO_TRY(auto message, co_await socket_->read());
      if (message.bytes.empty()) {
        continue;
      }
      Frame out{static_cast<Channel>(message.bytes[0]), message.bytes.substr(1)};
      if (is_input(out.channel)) {
        co_return out;
      }
    }
  }

  Task<Status> write(Frame frame) override {
    if (frame.channel == Channel::close && subprotocol_ != kV5) {
      co_return ok();
    }
    if (frame.channel == Channel::status && subprotocol_ == kV1) {
      frame.payload = plain_error(frame.payload);
      if (frame.payload.empty()) {
        co_return ok();
      }
    }
    std::string bytes(1, static_cast<char>(frame.channel));
    bytes += frame.payload;
    co_return co_await socket_->write(false, bytes);
  }

  Task<void> finish() override {
    (void)co_await socket_->close(kNormalClosure, "");  // the client may have closed first
  }

  /// An output of nothing, as the first message is.
  Task<Status> sign() override {
    const std::string nothing(1, static_cast<char>(Channel::out));
    co_return co_await socket_->write(false, nothing);
  }

 private:
  std::unique_ptr<net::WebSocket> socket_;
  const std::string subprotocol_;
};

}  // namespace

Result<std::string> choose_subprotocol(const std::vector<std::string_view>& offered) {
  for (const auto candidate : kPreferred) {
    for (const auto list : offered) {
      if (has_word(list, candidate)) {
        return std::string(candidate);
      }
    }
  }
  if (offered.empty()) {
    return std::string{};  // as v1: a client that names none takes channels of bytes
  }
  return Error{
      Code::malformed,
      "unable to upgrade: none of the WebSocket subprotocols is known; use v5.channel.k8s.io, "
      "v4.channel.k8s.io or channel.k8s.io"};
}

std::unique_ptr<RemoteClient> make_websocket_client(std::unique_ptr<net::WebSocket> socket,
                                                    std::string subprotocol) {
  if (subprotocol.empty()) {
    subprotocol = kV1;
  }
  return std::make_unique<WebSocketClient>(std::move(socket), std::move(subprotocol));
}

}  // namespace tetrarch::api::kubernetes
