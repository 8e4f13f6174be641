// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/frames.h"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "api/kubernetes/errors.h"

namespace tetrarch::api::kubernetes {
namespace {

constexpr std::size_t kHeader = 5;
constexpr std::size_t kChunk = 32768;

std::size_t read_length(std::string_view header) {
  std::size_t out = 0;
  for (const char c : header.substr(1, 4)) {
    out = out << 8 | static_cast<std::uint8_t>(c);
  }
  return out;
}

Task<void> copy_up(RemoteClient& client, net::Stream& agent) {
  while (true) {
    auto frame = co_await client.read();
    if (!frame.ok()) {
      co_return;
    }
    const auto bytes = encode_frame(*frame);
    const auto written = co_await agent.write(bytes);
    if (!written.ok()) {
      // The agent's end has the last word: it may still have output and the exit code for us.
      co_return;
    }
  }
}

/// Always ends with a Status on the error channel, the agent's or ours.
Task<void> copy_down(RemoteClient& client, net::Stream& agent) {
  FrameReader reader(agent);
  while (true) {
    auto frame = co_await reader.read();
    const bool is_end = !frame.ok() || !frame->has_value();
    Frame out;
    if (is_end) {
      const Error lost(Code::internal, "the connection to the node ended before the command did");
      out = {Channel::error, failure_json(lost, Subject{})};
    } else {
      out = std::move(**frame);
    }
    const bool is_last = out.channel == Channel::error;
    const auto written = co_await client.write(std::move(out));
    if (!written.ok()) {
      co_return;
    }
    if (is_last) {
      co_await client.finish();
      co_return;
    }
  }
}

}  // namespace

std::string encode_frame(const Frame& frame) {
  const auto size = frame.payload.size();
  std::string out;
  out.reserve(kHeader + size);
  out += static_cast<char>(frame.channel);
  for (int shift = 24; shift >= 0; shift -= 8) {
    out += static_cast<char>(size >> shift & 0xff);
  }
  return out + frame.payload;
}

Task<Result<bool>> FrameReader::fill(std::size_t size) {
  while (buffer_.size() < size) {
    char chunk[kChunk];
    const auto count = co_await stream_.read(chunk, sizeof(chunk));
    if (!count.ok()) {
      co_return count.error();
    }
    if (*count == 0) {
      co_return false;
    }
    buffer_.append(chunk, *count);
  }
  co_return true;
}

Task<Result<std::optional<Frame>>> FrameReader::read() {
  CO_TRY(const bool has_header, co_await fill(kHeader));
  if (!has_header) {
    co_return std::optional<Frame>{};
  }
  const auto length = read_length(buffer_);
  if (length > kFrameBytesMax) {
    co_return Error{Code::malformed, "a frame of the node is too long"};
  }
  CO_TRY(const bool has_payload, co_await fill(kHeader + length));
  if (!has_payload) {
    co_return std::optional<Frame>{};
  }
  Frame out{static_cast<Channel>(buffer_[0]), buffer_.substr(kHeader, length)};
  buffer_.erase(0, kHeader + length);
  co_return std::optional<Frame>{std::move(out)};
}

Task<Status> relay(RemoteClient& client, net::Stream& agent) {
  using namespace asio::experimental::awaitable_operators;
  co_await (copy_up(client, agent) || copy_down(client, agent));
  agent.close();
  co_return ok();
}

}  // namespace tetrarch::api::kubernetes
