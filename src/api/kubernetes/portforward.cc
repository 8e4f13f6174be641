// SPDX-License-Identifier: Apache-2.0
// pods/portforward: a SPDY session, on the bare connection or inside a WebSocket, in which every
// forwarded connection is a pair of streams (data and error) with one request id. Source:
// Kubernetes documentation, "Port Forward", protocol portforward.k8s.io; Seen: kubectl 1.20
// and 1.32. Or channels in a WebSocket: portforward_channels.h.
#include <charconv>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "api/kubernetes/pod_target.h"
#include "api/kubernetes/portforward_channels.h"
#include "api/kubernetes/serve.h"
#include "api/kubernetes/stream_copy.h"
#include "api/kubernetes/websocket_bytes.h"
#include "async/timer.h"
#include "async/together.h"
#include "net/spdy.h"

namespace tetrarch::api::kubernetes {
namespace {

constexpr std::string_view kProtocol = "portforward.k8s.io";
constexpr std::string_view kTunnel = "SPDY/3.1+portforward.k8s.io";
constexpr std::chrono::hours kIdleMax{
    4};  // Source: Kubernetes kubelet, streaming connection idle timeout

struct Pair {
  std::unique_ptr<net::SpdyStream> data;
  std::unique_ptr<net::SpdyStream> error;
};

/// What serves one connection after the other. There are as many as there ever were connections at
/// once, which the session's bound on streams limits.
struct Lane {
  explicit Lane(std::vector<Lane*>& idle) : idle_of(idle) {}

  /// Cancelled, it is gone before who would hand it something.
  ~Lane() { std::erase(idle_of, this); }

  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  std::vector<Lane*>& idle_of;  ///< of the session, which outlives it
  std::optional<Pair> next = {};
  async::Event handed = {};  ///< `next` is there, or the session is over
};

struct Session {
  const NodeAccess& nodes;
  const PodTarget& target;
  net::SpdySession& spdy;
  /// By request id: one stream of two is there. As many as the session may have streams: those that
  /// were reset go.
  std::map<std::string, Pair> waiting = {};
  std::vector<Lane*> idle = {};  ///< in the frames of serve_lane
  bool is_over = false;
};

/// 1 to 65535, or 0.
int port_of(const net::SpdyStream& stream) {
  const auto text = stream.headers().get("port");
  int port = 0;
  std::from_chars(text.data(), text.data() + text.size(), port);
  return port > 0 && port < 65536 ? port : 0;
}

/// Seen: kubectl 1.20 closes its local connection only once the error stream has ended, so that
/// must not wait for what the local program may still send.
Task<void> copy_down(net::Stream& agent, Pair& pair) {
  co_await copy_stream(agent, *pair.data);
  (void)co_await pair.error->shut_write();  // the client may have gone
}

/// The agent's end of a connection to the port.
Task<Result<std::unique_ptr<net::Stream>>> open(const NodeAccess& nodes,
                                                const PodTarget& target,
                                                int port) {
  NodeName node = target.node;
  auto request = port_request("portforward", target, port);
  auto agent = co_await nodes.open(std::move(node), std::move(request));
  if (!agent.ok()) {
    auto message = fmt::format(
        "error forwarding port {} to pod {}: {}", port, target.pod.key.name, agent.error().message);
    co_return Error{agent.error().code, std::move(message)};
  }
  co_return agent;
}

Task<void> serve_pair(Session& session, Pair pair) {
  const int port = port_of(*pair.data);
  auto agent = co_await open(session.nodes, session.target, port);
  if (!agent.ok()) {
    (void)co_await pair.error->write(agent.error().message);
    (void)co_await pair.error->shut_write();
    (void)co_await pair.data->shut_write();
    co_return;
  }
  co_await async::both(copy_stream(*pair.data, **agent), copy_down(**agent, pair));
}

Task<void> serve_lane(Session& session, Pair first) {
  Lane lane(session.idle);
  lane.next = std::move(first);
  while (!session.is_over) {
    if (!lane.next) {
      session.idle.push_back(&lane);
      co_await lane.handed.wait();
      continue;
    }
    auto pair = *std::exchange(lane.next, std::nullopt);
    co_await serve_pair(session, std::move(pair));
  }
}

/// A half whose other one will not come: a client gives up both.
bool is_reset(const Pair& half) {
  return (half.data ? half.data : half.error)->is_reset();
}

/// The pair that this stream makes whole, if it does.
std::optional<Pair> take(Session& session, std::unique_ptr<net::SpdyStream> stream) {
  const std::string id(stream->headers().get("requestid"));
  const bool is_error = stream->headers().get("streamtype") == "error";
  std::erase_if(session.waiting, [](const auto& entry) { return is_reset(entry.second); });
  auto& pair = session.waiting[id];
  (is_error ? pair.error : pair.data) = std::move(stream);
  if (!pair.error || !pair.data) {
    return std::nullopt;
  }
  auto out = std::move(pair);
  session.waiting.erase(id);
  return out;
}

void end(Session& session) {
  session.is_over = true;
  for (auto* lane : session.idle) {
    lane->handed.raise();
  }
}

/// Accepts until a connection finds no idle lane; then goes on beside a new one.
Task<void> accept_pairs(Session& session) {
  std::optional<Pair> pair;
  while (!pair) {
    auto stream = co_await session.spdy.accept(kIdleMax);
    if (!stream.ok()) {
      end(session);
      co_return;
    }
    pair = take(session, std::move(*stream));
    if (pair && !session.idle.empty()) {
      auto* lane = session.idle.back();
      session.idle.pop_back();
      lane->next = *std::exchange(pair, std::nullopt);
      lane->handed.raise();
    }
  }
  co_await async::both(serve_lane(session, std::move(*pair)), accept_pairs(session));
}

Task<Result<std::unique_ptr<net::Stream>>> upgrade(Context& context) {
  const auto& headers = context.request.headers;
  if (headers.has_word("Upgrade", "websocket")) {
    if (!headers.has_word("Sec-WebSocket-Protocol", kTunnel)) {
      co_return Error{Code::malformed,
                      "unable to upgrade: none of the WebSocket subprotocols is known; use "
                      "SPDY/3.1+portforward.k8s.io or v4.channel.k8s.io"};
    }
    context.answered = 101;
    std::string subprotocol(kTunnel);
    CO_TRY(auto socket, co_await context.exchange.upgrade_websocket(std::move(subprotocol)));
    co_return make_websocket_bytes(std::move(socket));
  }
  if (!headers.has_word("Upgrade", "SPDY/3.1")) {
    co_return Error{Code::malformed, "Upgrade request required"};
  }
  net::Headers answer;
  answer.add("Connection", "Upgrade");
  answer.add("Upgrade", "SPDY/3.1");
  answer.add("X-Stream-Protocol-Version", std::string(kProtocol));
  context.answered = 101;
  co_return co_await context.exchange.upgrade_raw(std::move(answer));
}

bool wants_channels(const net::Request& request) {
  return request.headers.has_word("Upgrade", "websocket") &&
         !request.headers.has_word("Sec-WebSocket-Protocol", kTunnel) &&
         request.headers.has_word("Sec-WebSocket-Protocol", kForwardChannels);
}

Task<Status> serve_channels(Context& context, const PodTarget& target) {
  CO_TRY(auto ports, forwarded_ports(context.request));
  for (auto& port : ports) {
    auto agent = co_await open(context.parts.nodes, target, port.number);
    if (agent.ok()) {
      port.agent = std::move(*agent);
    } else {
      port.error = agent.error().message;
    }
  }
  context.answered = 101;
  std::string subprotocol(kForwardChannels);
  CO_TRY(auto socket, co_await context.exchange.upgrade_websocket(std::move(subprotocol)));
  co_await relay_channels(std::move(socket), std::move(ports));
  co_return ok();
}

}  // namespace

Task<Status> serve_portforward(Context& context) {
  context.verb = "connect";
  CO_TRY(const auto target, co_await find_target(context, "create", false));
  if (target.pod.root()["status"]["phase"].string() != "Running" || target.node.text.empty()) {
    co_return Error{
        Code::malformed,
        fmt::format("unable to forward port because pod is not running. Current status={}",
                    target.pod.root()["status"]["phase"].string())};
  }
  if (wants_channels(context.request)) {
    co_return co_await serve_channels(context, target);
  }
  CO_TRY(auto connection, co_await upgrade(context));
  net::SpdySession spdy(std::move(connection));
  Session session{context.parts.nodes, target, spdy};
  co_await async::first_of(spdy.run(), accept_pairs(session));
  co_return ok();
}

}  // namespace tetrarch::api::kubernetes
