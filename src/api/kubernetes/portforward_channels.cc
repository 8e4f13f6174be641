// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/portforward_channels.h"

#include <algorithm>
#include <charconv>
#include <deque>
#include <string>
#include <utility>

#include <fmt/core.h>

#include "async/timer.h"
#include "async/together.h"

namespace tetrarch::api::kubernetes {
namespace {

constexpr std::size_t kPortsMax = 100;  // Ours: a channel is one byte, and there are two for each
constexpr std::size_t kChunk = 32768;
constexpr std::uint16_t kNormalClosure = 1000;  // Source: RFC 6455 section 7.4.1

struct Frame {
  std::size_t channel = 0;
  std::string_view payload;  ///< of who waits in send()
};

/// A WebSocket has one writer, so what the ports have to say goes through `outgoing`: at most one
/// frame of each, which waits until its own is written.
struct Session {
  Session(net::WebSocket& the_socket, std::vector<ForwardedPort>& the_ports)
      : socket(the_socket), ports(the_ports), sent(the_ports.size()) {}

  net::WebSocket& socket;
  std::vector<ForwardedPort>& ports;
  std::deque<Frame> outgoing;
  async::Event filled;
  std::deque<async::Event> sent;  ///< by port; here, since a cancelled port goes before the writer
};

Task<void> write_frames(Session& session) {
  while (true) {
    if (session.outgoing.empty()) {
      co_await session.filled.wait();
      continue;
    }
    const auto frame = session.outgoing.front();
    session.outgoing.pop_front();
    std::string bytes(1, static_cast<char>(frame.channel));
    bytes += frame.payload;
    const auto written = co_await session.socket.write(false, bytes);
    if (!written.ok()) {
      co_return;  // the client has gone: who waits for `sent` is cancelled
    }
    session.sent[frame.channel / 2].raise();
  }
}

Task<void> send(Session& session, std::size_t channel, std::string_view payload) {
  session.outgoing.push_back({channel, payload});
  session.filled.raise();
  co_await session.sent[channel / 2].wait();
}

Task<void> copy_down(Session& session, std::size_t channel, net::Stream& agent) {
  std::string buffer(kChunk, '\0');
  while (true) {
    const auto count = co_await agent.read(buffer.data(), buffer.size());
    if (!count.ok() || *count == 0) {
      co_return;
    }
    const std::string_view bytes(buffer.data(), *count);
    co_await send(session, channel, bytes);
  }
}

Task<void> serve_port(Session& session, std::size_t index) {
  const auto& port = session.ports[index];
  const auto data = 2 * index;
  const std::string number{static_cast<char>(port.number % 256),
                           static_cast<char>(port.number / 256)};
  co_await send(session, data, number);
  co_await send(session, data + 1, number);
  if (port.agent) {
    co_await copy_down(session, data, *port.agent);
  } else {
    co_await send(session, data + 1, port.error);
  }
}

/// This port and those after it, side by side.
Task<void> serve_ports(Session& session, std::size_t index) {
  if (index + 1 == session.ports.size()) {
    co_await serve_port(session, index);
    co_return;
  }
  co_await async::both(serve_port(session, index), serve_ports(session, index + 1));
}

/// As with kubelet, a server that does not read holds up the other ports of its WebSocket.
Task<void> copy_up(Session& session) {
  while (true) {
    const auto message = co_await session.socket.read();
    if (!message.ok()) {
      co_return;
    }
    const std::string_view bytes = message->bytes;
    const std::size_t channel = bytes.empty() ? 1 : static_cast<unsigned char>(bytes.front());
    if (channel % 2 == 1 || channel / 2 >= session.ports.size()) {
      continue;  // the error channels are ours alone
    }
    const auto& agent = session.ports[channel / 2].agent;
    if (!agent) {
      continue;
    }
    const auto written = co_await agent->write(bytes.substr(1));
    if (!written.ok()) {
      agent->close();  // its reader ends, and the port with it
    }
  }
}

Task<void> relay_down(Session& session) {
  co_await async::first_of(write_frames(session), serve_ports(session, 0));
}

Result<ForwardedPort> port_of(std::string_view text) {
  ForwardedPort out;
  const auto* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, out.number);
  if (error != std::errc{} || stopped != end || out.number < 1 || out.number > 65535) {
    return Error{Code::malformed, fmt::format("\"{}\" is no port: it must be 1 to 65535", text)};
  }
  return out;
}

}  // namespace

Result<std::vector<ForwardedPort>> forwarded_ports(const net::Request& request) {
  std::vector<ForwardedPort> out;
  for (const auto& list : request.parameters("ports")) {
    std::string_view rest = list;
    while (true) {
      const auto comma = rest.find(',');
      TRY(auto port, port_of(rest.substr(0, comma)));
      out.push_back(std::move(port));
      if (comma == std::string_view::npos) {
        break;
      }
      rest.remove_prefix(comma + 1);
    }
  }
  if (out.empty()) {
    return Error{Code::malformed, "query parameter \"ports\" is required"};
  }
  if (out.size() > kPortsMax) {
    return Error{Code::malformed,
                 fmt::format("{} ports were asked for; at most {} fit", out.size(), kPortsMax)};
  }
  return out;
}

Task<void> relay_channels(std::unique_ptr<net::WebSocket> socket,
                          std::vector<ForwardedPort> ports) {
  Session session(*socket, ports);
  co_await async::first_of(copy_up(session), relay_down(session));
  (void)co_await socket->close(kNormalClosure, "");  // the client may have closed first
}

}  // namespace tetrarch::api::kubernetes
