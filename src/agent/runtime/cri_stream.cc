// SPDX-License-Identifier: Apache-2.0
#include "agent/runtime/cri_stream.h"

#include <charconv>

#include <boost/asio/buffer.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>

#include "async/timer.h"
#include "async/together.h"
#include "base/encoding.h"
#include "base/random.h"

namespace tetrarch::agent::runtime {
namespace {

using asio::ip::tcp;

constexpr std::chrono::seconds kOpenLimit(20);
constexpr std::size_t kHeadMax = 16 * 1024;
constexpr std::size_t kReadSize = 32 * 1024;
/// Longest message that is taken. containerd sends what it read at once, 32 KiB at most.
constexpr std::uint64_t kMessageMax = 1024 * 1024;

constexpr unsigned kContinuation = 0;
constexpr unsigned kBinary = 2;
constexpr unsigned kClose = 8;

struct Place {
  tcp::endpoint server;
  std::string host;
  std::string path;
};

/// Of a URL as containerd writes it: an IPv4 address, a port, a path.
Result<Place> place_of(std::string_view url) {
  const Error bad(Code::malformed, fmt::format("containerd streams at {}, which is no URL", url));
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) {
    return bad;
  }
  url.remove_prefix(kScheme.size());
  const auto slash = url.find('/');
  const auto colon = url.find(':');
  if (slash == std::string_view::npos || colon == std::string_view::npos || colon > slash) {
    return bad;
  }
  std::uint16_t port = 0;
  const auto digits = url.substr(colon + 1, slash - colon - 1);
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  boost::system::error_code error;
  const auto address = asio::ip::make_address(std::string(url.substr(0, colon)), error);
  if (error || parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) {
    return bad;
  }
  return Place{{address, port}, std::string(url.substr(0, slash)), std::string(url.substr(slash))};
}

Error broken(const boost::system::error_code& error) {
  return {Code::unavailable, "containerd's stream: " + error.message()};
}

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) {
    value = value << 8U | static_cast<unsigned char>(c);
  }
  return value;
}

std::string random_bytes(std::size_t count) {
  std::string out;
  while (out.size() < count) {
    out += static_cast<char>(system_random().next());
  }
  return out;
}

std::string frame(unsigned opcode, std::string_view payload, std::string_view mask) {
  std::string out(1, static_cast<char>(0x80U | opcode));
  const int bytes = payload.size() < 126 ? 0 : payload.size() <= 0xFFFF ? 2 : 8;
  const std::size_t length = bytes == 0 ? payload.size() : bytes == 2 ? 126 : 127;
  out += static_cast<char>(0x80U | length);  // a client's frames are masked
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
    out += static_cast<char>(payload.size() >> static_cast<unsigned>(shift));
  }
  out += mask;
  for (std::size_t i = 0; i < payload.size(); ++i) {
    out += static_cast<char>(payload[i] ^ mask[i % 4]);
  }
  return out;
}

}  // namespace

std::string cri_message(CriChannel channel, std::string_view bytes, std::string_view mask) {
  return frame(kBinary, std::string(1, static_cast<char>(channel)).append(bytes), mask);
}

Result<std::optional<CriMessageDecoder::Frame>> CriMessageDecoder::front() const {
  if (buffer_.size() < 2) {
    return std::optional<Frame>();
  }
  const std::string_view view = buffer_;
  const auto first = static_cast<unsigned char>(view[0]);
  const auto second = static_cast<unsigned char>(view[1]);
  const std::size_t extended = second == 126 ? 2 : second == 127 ? 8 : 0;
  const std::size_t head = 2 + extended;
  if (view.size() < head) {
    return std::optional<Frame>();
  }
  const auto size = extended == 0 ? second : big_endian(view.substr(2, extended));
  if ((second & 0x80U) != 0 || size > kMessageMax || message_.size() > kMessageMax) {
    return Error{Code::malformed, "containerd's stream: a message is too long or is masked"};
  }
  if (view.size() - head < size) {
    return std::optional<Frame>();
  }
  return std::optional(
      Frame{first & 0x0FU, (first & 0x80U) != 0, view.substr(head, size), head + size});
}

Result<std::optional<CriMessage>> CriMessageDecoder::next() {
  while (true) {
    TRY(const auto part, front());
    if (!part) {
      return std::optional<CriMessage>();
    }
    if (part->opcode == kClose) {
      return Error{Code::cancelled, "containerd has closed the stream"};
    }
    const bool is_data = part->opcode <= kBinary;
    if (is_data) {
      message_ = (part->opcode == kContinuation ? message_ : std::string()).append(part->payload);
    }
    const bool is_whole = is_data && part->is_last;
    buffer_.erase(0, part->size);
    if (is_whole && !message_.empty()) {
      CriMessage out{static_cast<CriChannel>(message_[0]), message_.substr(1)};
      message_.clear();
      return std::optional(std::move(out));
    }
  }
}

Task<Result<std::unique_ptr<CriStream>>> CriStream::open(std::string url) {
  CO_TRY(auto place, place_of(url));
  auto out = std::make_unique<CriStream>(tcp::socket(co_await asio::this_coro::executor));
  Status outcome = Error{Code::timeout, "containerd's stream does not begin"};
  const auto connect = [](CriStream* stream, Place to, Status* done) -> Task<void> {
    const auto [error] = co_await stream->socket_.async_connect(to.server, kAwait);
    if (error) {
      *done = broken(error);
    } else {
      *done = co_await stream->shake_hands(std::move(to.host), std::move(to.path));
    }
  };
  auto connecting = connect(out.get(), std::move(place), &outcome);
  co_await async::first_of(std::move(connecting), async::sleep_for(kOpenLimit));
  CO_TRY_STATUS(outcome);
  co_return out;
}

Task<Status> CriStream::shake_hands(std::string host, std::string path) {
  // Source: RFC 6455, section 4.1.
  const auto request = fmt::format(
      "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n"
      "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n",
      path,
      host,
      base64_encode(random_bytes(16)));
  const auto [failure, sent] = co_await asio::async_write(socket_, asio::buffer(request), kAwait);
  if (failure) {
    co_return broken(failure);
  }
  std::string answer;
  auto buffer = asio::dynamic_buffer(answer, kHeadMax);
  const auto [error, head] = co_await asio::async_read_until(socket_, buffer, "\r\n\r\n", kAwait);
  if (error) {
    co_return broken(error);
  }
  if (!answer.starts_with("HTTP/1.1 101")) {
    co_return Error{Code::unavailable,
                    "containerd's stream: " + answer.substr(0, answer.find('\r'))};
  }
  decoder_.feed(std::string_view(answer).substr(head));
  co_return ok();
}

Task<Result<std::optional<CriMessage>>> CriStream::read() {
  return take(true);
}

Task<Result<std::optional<CriMessage>>> CriStream::read_ready() {
  return take(false);
}

Task<Result<std::optional<CriMessage>>> CriStream::take(bool waits) {
  std::string buffer(kReadSize, '\0');
  while (true) {
    auto message = decoder_.next();
    if (!message.ok() && message.error().code == Code::cancelled) {
      co_return std::optional<CriMessage>();
    }
    boost::system::error_code unknown;
    const bool is_all = !waits && socket_.available(unknown) == 0;
    if (!message.ok() || message->has_value() || is_all) {
      co_return message;
    }
    const auto [error, n] = co_await socket_.async_read_some(asio::buffer(buffer), kAwait);
    if (error) {
      co_return broken(error);
    }
    decoder_.feed(std::string_view(buffer).substr(0, n));
  }
}

Task<Status> CriStream::write(CriChannel channel, std::string bytes) {
  const auto message = cri_message(channel, bytes, random_bytes(4));
  const auto [error, n] = co_await asio::async_write(socket_, asio::buffer(message), kAwait);
  co_return error ? Status(broken(error)) : ok();
}

Task<Status> CriStream::end() {
  const auto last = frame(kClose, "", random_bytes(4));
  const auto [error, n] = co_await asio::async_write(socket_, asio::buffer(last), kAwait);
  co_return error ? Status(broken(error)) : ok();
}

}  // namespace tetrarch::agent::runtime
