// SPDX-License-Identifier: Apache-2.0
// A request to a version that another API server serves: authorized here, then passed on with who
// asks. Source: kube-aggregator pkg/apiserver/handler_proxy.go, v1.35.
#include <fmt/core.h>

#include "api/kubernetes/aggregator.h"
#include "api/kubernetes/parameters.h"
#include "api/kubernetes/proxy_headers.h"
#include "api/kubernetes/proxy_relay.h"
#include "api/kubernetes/remote_identity.h"
#include "api/kubernetes/request_verb.h"
#include "api/kubernetes/serve.h"

namespace tetrarch::api::kubernetes {
namespace {

// Source: kube-apiserver flag request-timeout: default (1.35).
constexpr std::chrono::seconds kRequestMax{60};
constexpr HttpError kUnavailable{503, "ServiceUnavailable"};

Status authorize(const Context& context, const std::string& verb) {
  const auto& match = context.match;
  registry::Attributes asked;
  asked.verb = verb;
  if (match.route->action == Action::remote_root) {
    asked.path = context.request.path;
    return context.parts.registry.authorize(context.identity, asked);
  }
  asked.group = match.group;
  asked.version = match.version;
  asked.resource = match.resource;
  asked.subresource = match.subresource;
  asked.ns = match.ns;
  asked.name = match.name;
  asked.fields = text_parameter(context.request, "fieldSelector");
  return context.parts.registry.authorize(context.identity, asked);
}

net::ClientRequest request_for(const Context& context) {
  const auto& asked = context.request;
  net::ClientRequest out;
  out.method = asked.method;
  out.target = asked.path + (asked.query.empty() ? "" : "?" + asked.query);
  const auto passed = forwarded_headers(asked);
  out.headers.add("Host", context.remote->host());
  for (const auto& header : passed.list()) {
    if (!is_identity_header(header.name) && !net::equals_ignoring_case(header.name, "Host")) {
      out.headers.add(header.name, header.value);
    }
  }
  add_identity(context.identity, out.headers);
  return out;
}

/// What this server says of the request itself is not said twice.
bool is_said_by_us(std::string_view name) {
  constexpr std::string_view kFlow = "X-Kubernetes-PF-";
  return net::equals_ignoring_case(name, "Audit-Id") ||
         net::equals_ignoring_case(name.substr(0, kFlow.size()), kFlow);
}

net::Headers answer_headers(const net::Headers& headers, bool is_upgrade) {
  const auto passed = forwarded_answer(headers, is_upgrade);
  net::Headers out;
  for (const auto& header : passed.list()) {
    if (!is_said_by_us(header.name)) {
      out.add(header.name, header.value);
    }
  }
  return out;
}

Task<Status> respond_not_reached(Context& context, std::string why) {
  auto message = "error trying to reach service: " + why;
  co_return co_await respond_refusal(context, kUnavailable, std::move(message));
}

}  // namespace

Task<Status> serve_remote(Context& context) {
  const auto verb = verb_of(context.match, context.request);
  context.verb = verb;
  CO_TRY_STATUS(authorize(context, verb));
  co_return co_await pass_on(context);
}

Task<Status> pass_on(Context& context) {
  if (!context.remote->unavailable.empty()) {
    auto message = fmt::format("service unavailable: APIService {} is not available: {}",
                               context.remote->name,
                               context.remote->unavailable);
    co_return co_await respond_refusal(context, kUnavailable, std::move(message));
  }
  auto stream = co_await context.parts.aggregator->open(context.remote);
  if (!stream.ok()) {
    co_return co_await respond_not_reached(context, stream.error().message);
  }
  auto request = request_for(context);
  const std::chrono::seconds head_max =
      is_long_running(context.match, context.request) ? kHeadMax : kRequestMax;
  auto outcome = co_await relay_request(
      context, *std::move(stream), std::move(request), answer_headers, head_max);
  if (!outcome.ok() && outcome.error().code == Code::unavailable && context.answered == 0) {
    co_return co_await respond_not_reached(context, outcome.error().message);
  }
  co_return outcome;
}

}  // namespace tetrarch::api::kubernetes
