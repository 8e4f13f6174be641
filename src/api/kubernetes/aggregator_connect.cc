// SPDX-License-Identifier: Apache-2.0
// Aggregator: how the servers behind it are reached. A pod's through its node (docs/adr/0037);
// what is no pod is dialled by this server, which has no business with addresses of its own.
#include <fmt/core.h>

#include "api/kubernetes/aggregator.h"
#include "api/kubernetes/pod_target.h"
#include "api/kubernetes/remote_identity.h"
#include "api/kubernetes/service_endpoints.h"
#include "async/timer.h"
#include "async/together.h"
#include "net/stream_request.h"
#include "net/tls_stream.h"

namespace tetrarch::api::kubernetes {
namespace {

using Remote = std::shared_ptr<const RemoteApi>;
using Opened = Result<std::unique_ptr<net::Stream>>;

// Source: kube-aggregator, available_controller: five seconds for a request, six in all (1.35).
constexpr std::chrono::seconds kAskMax{6};
constexpr std::chrono::seconds kOpenMax{10};
/// Ours: of what a server says of itself.
constexpr std::size_t kAnswerMax = std::size_t{8} * 1024 * 1024;

Task<void> expire(std::chrono::seconds after) {
  co_await async::sleep_for(after);
}

/// Into `out`, unless it was cancelled before.
template <class T>
Task<void> run_into(Task<Result<T>> task, Result<T>& out) {
  auto done = co_await std::move(task);
  if (done.ok() || done.error().code != Code::cancelled) {
    out = std::move(done);
  }
}

net::ClientRequest own_request(const RemoteApi& api, std::string target) {
  trust::Identity self;
  // Source: kube-aggregator, available_controller: who may read everything.
  self.user = "system:kube-aggregator";
  self.groups = {std::string(trust::kMasters)};
  net::ClientRequest out;
  out.target = std::move(target);
  out.headers.add("Host", api.host());
  out.headers.add("Accept", "application/json");
  out.headers.add("User-Agent", "tetrarch-aggregator");
  out.headers.add("Connection", "close");
  add_identity(self, out.headers);
  return out;
}

Task<Result<net::Response>> converse(std::unique_ptr<net::Stream> stream,
                                     net::ClientRequest request) {
  net::StreamRequest exchange(std::move(stream));
  CO_TRY_STATUS(co_await exchange.send(std::move(request)));
  CO_TRY_STATUS(co_await exchange.read_head(false));
  net::Response out;
  out.status = exchange.status();
  out.headers = exchange.headers();
  while (true) {
    CO_TRY(const auto piece, co_await exchange.read());
    if (piece.empty()) {
      co_return out;
    }
    out.body += piece;
    if (out.body.size() > kAnswerMax) {
      co_return Error{Code::unavailable, "the answer is larger than 8 MiB"};
    }
  }
}

Error no_endpoints(const RemoteApi& api) {
  return {Code::unavailable, fmt::format("no endpoints available for service \"{}\"", api.service)};
}

}  // namespace

Task<Result<std::vector<Endpoint>>> Aggregator::endpoints_of(Remote api) const {
  Key key{"services", api->service_ns, api->service};
  CO_TRY(const auto service, co_await parts_.client.get(std::move(key)));
  const auto spec = service.root()["spec"];
  std::vector<Endpoint> out;
  if (spec["type"].string() == "ExternalName") {
    out.push_back({std::string(spec["externalName"].string()), api->port, "", ""});
    co_return out;
  }
  const auto port = name_of_port(service.root(), api->port);
  if (!port) {
    co_return Error{
        Code::unavailable,
        fmt::format("no service port {} found for service \"{}\"", api->port, api->service)};
  }
  auto query = slices_of(api->service_ns, api->service);
  CO_TRY(const auto slices, co_await parts_.client.list(std::move(query)));
  for (const auto& slice : slices.items) {
    add_endpoints(slice.root(), *port, out);
  }
  std::erase_if(out, [](const Endpoint& each) { return !may_be_dialled(each.address); });
  co_return out;
}

Aggregator::Streaming Aggregator::open_endpoint(Remote api, Endpoint endpoint) const {
  if (endpoint.pod_ns == api->service_ns && !endpoint.pod.empty()) {
    Key key{"pods", endpoint.pod_ns, endpoint.pod};
    PodTarget at;
    CO_TRY(at.pod, co_await parts_.client.get(std::move(key)));
    if (has_address(at.pod.root(), endpoint.address)) {
      NodeName node{std::string(at.pod.root()["spec"]["nodeName"].string())};
      auto request = port_request("connect", at, endpoint.port);
      co_return co_await parts_.open_node(std::move(node), std::move(request));
    }
  }
  co_return co_await parts_.dial(std::move(endpoint.address),
                                 static_cast<std::uint16_t>(endpoint.port));
}

Aggregator::Streaming Aggregator::open_any(Remote api) const {
  if (!api->tls) {
    co_return Error{Code::unavailable, "its caBundle holds no certificates that can be read"};
  }
  CO_TRY(const auto endpoints, co_await endpoints_of(api));
  Error last = no_endpoints(*api);
  const auto first = endpoints.empty() ? 0 : parts_.random.next() % endpoints.size();
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    auto endpoint = endpoints[(first + i) % endpoints.size()];
    auto stream = co_await open_endpoint(api, std::move(endpoint));
    if (stream.ok()) {
      auto name = api->server_name();
      co_return co_await net::begin_tls(*std::move(stream), api->tls, std::move(name));
    }
    last = std::move(stream).error();
  }
  co_return last;
}

Aggregator::Streaming Aggregator::open(Remote api) const {
  Opened out = Error{Code::timeout, "no connection within ten seconds"};
  co_await async::first_of(run_into(open_any(std::move(api)), out), expire(kOpenMax));
  co_return std::move(out);
}

Task<Result<net::Response>> Aggregator::ask_at_leisure(Remote api,
                                                       net::ClientRequest request) const {
  CO_TRY(auto stream, co_await open_any(std::move(api)));
  co_return co_await converse(std::move(stream), std::move(request));
}

Task<Result<net::Response>> Aggregator::ask(Remote api, std::string target) const {
  auto request = own_request(*api, std::move(target));
  Result<net::Response> out = Error{Code::timeout, "no answer within six seconds"};
  co_await async::first_of(run_into(ask_at_leisure(std::move(api), std::move(request)), out),
                           expire(kAskMax));
  co_return std::move(out);
}

}  // namespace tetrarch::api::kubernetes
