// SPDX-License-Identifier: Apache-2.0
// pods/proxy, services/proxy, nodes/proxy: a request passed on to a port of a pod or a node, with
// all that HTTP/1.1 can do. Source: Kubernetes API reference v1.35, "connect" operations;
// k8s.io/apimachinery 1.35, pkg/util/proxy.
#include <fmt/core.h>

#include "api/kubernetes/proxy_headers.h"
#include "api/kubernetes/proxy_relay.h"
#include "api/kubernetes/proxy_target.h"
#include "api/kubernetes/request_verb.h"
#include "api/kubernetes/serve.h"
#include "async/timer.h"
#include "async/together.h"
#include "net/tls_stream.h"

namespace tetrarch::api::kubernetes {
namespace {

constexpr std::chrono::seconds kHandshakeMax{10};

Task<void> shake_hands(std::unique_ptr<net::Stream> stream,
                       std::string name,
                       Result<std::unique_ptr<net::Stream>>& out) {
  // Source: Kubernetes apiserver, ProxyTransport: certificates of pods and nodes are not checked.
  net::TlsMaterial material;
  material.trusts_anybody = true;
  auto tls = net::TlsContext::for_client(material);
  if (!tls.ok()) {
    out = std::move(tls).error();
    co_return;
  }
  auto inside = co_await net::begin_tls(std::move(stream), *tls, std::move(name));
  if (inside.ok() || inside.error().code != Code::cancelled) {
    out = std::move(inside);
  }
}

Task<void> expire() {
  co_await async::sleep_for(kHandshakeMax);
}

Task<Result<std::unique_ptr<net::Stream>>> open_target(Context& context, ProxyTarget target) {
  CO_TRY(auto stream,
         co_await context.parts.nodes.open(std::move(target.node), std::move(target.request)));
  if (!target.is_tls) {
    co_return stream;
  }
  Result<std::unique_ptr<net::Stream>> inside =
      Error{Code::timeout, "no TLS handshake within ten seconds"};
  auto name = target.host.substr(0, target.host.rfind(':'));
  co_await async::first_of(shake_hands(std::move(stream), std::move(name), inside), expire());
  co_return inside;
}

/// Without Retry-After: clients would ask again by themselves, and for long.
Task<Status> respond_unavailable(Context& context, std::string message) {
  constexpr HttpError kUnavailable{503, "ServiceUnavailable"};
  co_return co_await respond_refusal(context, kUnavailable, std::move(message));
}

/// Source: k8s.io/apimachinery 1.35, pkg/util/proxy/transport.go: whatever keeps a backend from
/// answering is 503 in these words.
Task<Status> respond_not_reached(Context& context, const Error& why) {
  co_return co_await respond_unavailable(context, "error trying to reach service: " + why.message);
}

net::ClientRequest request_for(const Context& context) {
  const auto& asked = context.request;
  net::ClientRequest out;
  out.method = asked.method;
  out.target = context.match.tail.empty() ? "/" : context.match.tail;
  out.target += asked.query.empty() ? "" : "?" + asked.query;
  out.headers = forwarded_headers(asked);
  return out;
}

AnswerHeaders answer_headers(const Context& context, std::string backend) {
  const auto& asked = context.request;
  auto prefix = asked.path.substr(0, asked.path.size() - context.match.tail.size());
  return [prefix = std::move(prefix),
          host = std::string(asked.headers.get("Host")),
          backend = std::move(backend)](const net::Headers& headers, bool is_upgrade) {
    return forwarded_answer(headers, is_upgrade, {prefix, host, backend});
  };
}

/// Links of a page are relative to its path, so the root of a backend ends with a slash.
bool lacks_slash(const Context& context) {
  const auto& method = context.request.method;
  return context.match.tail.empty() && (method == "GET" || method == "HEAD") &&
         !wants_upgrade(context.request.headers);
}

Task<Status> redirect_to_slash(Context& context) {
  auto headers = make_headers(context, "");
  const auto& query = context.request.query;
  headers.add("Location", context.request.path + "/" + (query.empty() ? "" : "?" + query));
  context.answered = 301;
  co_return co_await context.exchange.respond(301, std::move(headers), std::string());
}

}  // namespace

Task<Status> serve_proxy(Context& context) {
  auto verb = verb_of(context.match, context.request);
  context.verb = "connect";
  auto target = co_await find_proxy_target(context, std::move(verb));
  if (!target.ok() && target.error().code == Code::unavailable) {
    co_return co_await respond_unavailable(context, target.error().message);
  }
  if (!target.ok()) {
    co_return std::move(target).error();
  }
  if (lacks_slash(context)) {
    co_return co_await redirect_to_slash(context);
  }
  context.seat.release();  // how long a backend takes is not our work
  auto stream = co_await open_target(context, *target);
  if (!stream.ok()) {
    co_return co_await respond_not_reached(context, stream.error());
  }
  auto request = request_for(context);
  auto headers = answer_headers(context, target->host);
  auto outcome =
      co_await relay_request(context, std::move(*stream), std::move(request), std::move(headers));
  if (!outcome.ok() && outcome.error().code == Code::unavailable && context.answered == 0) {
    co_return co_await respond_not_reached(context, outcome.error());
  }
  co_return outcome;
}

}  // namespace tetrarch::api::kubernetes
