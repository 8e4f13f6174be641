// SPDX-License-Identifier: Apache-2.0
// pods/log: the agent sends the bytes, we pass them on as they come; over a WebSocket where the
// client asks for one.
#include <fmt/core.h>

#include "api/kubernetes/body.h"
#include "api/kubernetes/parameters.h"
#include "api/kubernetes/pod_target.h"
#include "api/kubernetes/serve.h"
#include "api/kubernetes/stream_copy.h"
#include "async/together.h"
#include "base/encoding.h"

namespace tetrarch::api::kubernetes {
namespace {

constexpr std::size_t kChunk = 32768;

Error invalid_option(std::string_view field, std::int64_t value, std::string_view why) {
  auto message = fmt::format("Invalid value: {}: {}", value, why);
  auto text = fmt::format("PodLogOptions \"\" is invalid: {}: {}", field, message);
  return {Code::invalid,
          std::move(text),
          {{"FieldValueInvalid", std::move(message), std::string(field)}}};
}

/// A whole number not below `least`, written into the request where it is given.
Status add_number(object::Writer& writer,
                  const net::Request& request,
                  std::string_view name,
                  std::int64_t least) {
  TRY(const auto value, int_parameter(request, name));
  if (value && *value < least) {
    return invalid_option(
        name, *value, least == 0 ? "must be greater than or equal to 0" : "must be greater than 0");
  }
  if (value) {
    writer.field(name, *value);
  }
  return ok();
}

/// The agent's request. Source: Kubernetes API reference v1.35, "Read log of the specified Pod".
Result<std::string> log_request(const net::Request& request, const PodTarget& target) {
  std::string out;
  object::Writer writer(out);
  begin_reach_request(writer, "logs", target);
  for (const auto* name : {"follow", "previous", "timestamps"}) {
    writer.field(name, bool_parameter(request, name));
  }
  TRY_STATUS(add_number(writer, request, "tailLines", 0));
  TRY_STATUS(add_number(writer, request, "limitBytes", 1));
  TRY_STATUS(add_number(writer, request, "sinceSeconds", 1));
  const auto since = text_parameter(request, "sinceTime");
  if (!since.empty()) {
    if (!parse_time(since).ok()) {
      return Error{Code::malformed, fmt::format("sinceTime \"{}\" is no RFC 3339 time", since)};
    }
    if (request.parameter("sinceSeconds")) {
      return Error{Code::invalid,
                   "PodLogOptions \"\" is invalid: sinceSeconds: Forbidden: at most one of "
                   "`sinceTime` or `sinceSeconds` "
                   "may be specified"};
    }
    writer.field("sinceTime", since);
  }
  writer.end_object();
  return out;
}

Task<void> copy(net::Stream& from, net::Exchange& to) {
  std::string buffer(kChunk, '\0');
  while (true) {
    const auto count = co_await from.read(buffer.data(), buffer.size());
    if (!count.ok() || *count == 0) {
      co_return;
    }
    net::Body body;
    body.pieces.emplace_back(buffer.data(), *count);
    const auto written = co_await to.write(std::move(body));
    if (!written.ok()) {
      co_return;
    }
  }
}

// Source: k8s.io/apiserver, pkg/util/wsstream, NewDefaultReaderProtocols (1.35).
constexpr std::string_view kBinary = "binary.k8s.io";
constexpr std::string_view kBase64 = "base64.binary.k8s.io";
constexpr std::uint16_t kNormalClosure = 1000;  // Source: RFC 6455 section 7.4.1

/// Empty: the client names none, and takes bytes.
Result<std::string> log_subprotocol(const net::Headers& headers) {
  constexpr auto kName = "Sec-WebSocket-Protocol";
  for (const auto protocol : {kBinary, kBase64}) {
    if (headers.has_word(kName, protocol)) {
      return std::string(protocol);
    }
  }
  if (headers.contains(kName)) {
    return Error{Code::malformed,
                 "unable to upgrade: none of the WebSocket subprotocols is known; use "
                 "binary.k8s.io or base64.binary.k8s.io"};
  }
  return std::string{};
}

Task<void> copy_messages(net::Stream& from, net::WebSocket& to, bool is_base64) {
  std::string buffer(kChunk, '\0');
  while (true) {
    const auto count = co_await from.read(buffer.data(), buffer.size());
    if (!count.ok() || *count == 0) {
      co_return;
    }
    const std::string_view bytes(buffer.data(), *count);
    const auto message = is_base64 ? base64_encode(bytes) : std::string(bytes);
    const auto written = co_await to.write(is_base64, message);
    if (!written.ok()) {
      co_return;
    }
  }
}

/// Ends when the client closes; what it sends is no concern of a log.
Task<void> drain(net::WebSocket& socket) {
  while (true) {
    const auto message = co_await socket.read();
    if (!message.ok()) {
      co_return;
    }
  }
}

Task<Status> serve_websocket(Context& context, NodeName node, std::string request) {
  CO_TRY(auto subprotocol, log_subprotocol(context.request.headers));
  const bool is_base64 = subprotocol == kBase64;
  CO_TRY(const auto agent, co_await context.parts.nodes.open(std::move(node), std::move(request)));
  context.answered = 101;
  CO_TRY(const auto socket, co_await context.exchange.upgrade_websocket(std::move(subprotocol)));
  // Clients may wait for a first, empty message.
  CO_TRY_STATUS(co_await socket->write(is_base64, ""));
  co_await async::first_of(copy_messages(*agent, *socket, is_base64), drain(*socket));
  agent->close();
  (void)co_await socket->close(kNormalClosure, "");  // the client may have closed first
  co_return ok();
}

}  // namespace

Task<Status> serve_log(Context& context) {
  context.verb = "connect";
  CO_TRY(const auto target, co_await find_target(context, "get", true));
  CO_TRY(auto request, log_request(context.request, target));
  if (context.request.headers.has_word("Upgrade", "websocket") && !target.node.text.empty()) {
    co_return co_await serve_websocket(context, target.node, std::move(request));
  }
  if (target.node.text.empty()) {
    co_return co_await respond_text(context, 200, "text/plain", "");  // nothing has run yet
  }
  CO_TRY(const auto stream, co_await context.parts.nodes.open(target.node, std::move(request)));
  context.answered = 200;
  auto headers = make_headers(context, "text/plain");
  CO_TRY_STATUS(co_await context.exchange.start(200, std::move(headers)));
  co_await async::first_of(copy(*stream, context.exchange), wait_until_gone(context.exchange));
  stream->close();
  if (context.exchange.is_client_gone()) {
    co_return ok();
  }
  co_return co_await context.exchange.finish();
}

}  // namespace tetrarch::api::kubernetes
