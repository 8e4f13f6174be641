// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/proxy_target.h"

#include <charconv>
#include <vector>

#include <fmt/core.h>

#include "api/kubernetes/pod_target.h"
#include "api/kubernetes/proxy_headers.h"
#include "api/kubernetes/service_endpoints.h"
#include "base/random.h"
#include "client/client.h"

namespace tetrarch::api::kubernetes {
namespace {

constexpr int kHttpPort = 80;
constexpr int kHttpsPort = 443;

Error invalid_request(std::string_view kind, const std::string& name) {
  return {Code::malformed, fmt::format("invalid {} request \"{}\"", kind, name)};
}

/// 1 to 65535, or 0: it is no number of a port.
int port_number(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_whole = error == std::errc{} && end == text.data() + text.size();
  return is_whole && number > 0 && number < 65536 ? number : 0;
}

ProxyTarget target_of(const Stored& pod, const ProxyName& name, int port) {
  ProxyTarget out;
  out.is_tls = name.scheme == "https";
  PodTarget at;
  at.pod = pod;
  at.node = NodeName{std::string(pod.root()["spec"]["nodeName"].string())};
  out.request = port_request("connect", at, port);
  out.node = std::move(at.node);
  out.host = fmt::format("{}:{}", pod.root()["status"]["podIP"].string(), port);
  return out;
}

/// Source: Kubernetes 1.35, pkg/registry/core/pod, ResourceLocation: the first port that a
/// container declares; else that of the scheme.
int default_port(object::View pod, const ProxyName& name) {
  for (const auto container : pod["spec"]["containers"].elements()) {
    if (container["ports"].size() > 0) {
      return static_cast<int>(container["ports"].at(0)["containerPort"].integer());
    }
  }
  return name.scheme == "https" ? kHttpsPort : kHttpPort;
}

Task<Result<ProxyTarget>> find_pod(Context& context, ProxyName name) {
  const auto& match = context.match;
  const auto client = own_client(context);
  Key key{"pods", match.ns, name.name};
  CO_TRY(const auto pod, co_await client->get(std::move(key)));
  if (pod.root()["status"]["podIP"].string().empty()) {
    co_return Error{Code::malformed, "address not allowed"};
  }
  const int port = name.port.empty() ? default_port(pod.root(), name) : port_number(name.port);
  if (port == 0) {
    co_return invalid_request("pod", match.name);
  }
  co_return target_of(pod, name, port);
}

Error no_endpoints(const std::string& name) {
  return {Code::unavailable, fmt::format("no endpoints available for service \"{}\"", name)};
}

/// The name of the service's port that is asked for: by its number, or as it is given.
Result<std::string> port_name(object::View service, const ProxyName& name) {
  const int number = port_number(name.port);
  if (number == 0) {
    return name.port;
  }
  if (auto found = name_of_port(service, number)) {
    return *std::move(found);
  }
  return Error{Code::unavailable,
               fmt::format("no service port {} found for service \"{}\"", number, name.name)};
}

Task<Result<ProxyTarget>> find_service(Context& context, ProxyName name) {
  const auto& match = context.match;
  const auto client = own_client(context);
  Key key{"services", match.ns, name.name};
  CO_TRY(const auto service, co_await client->get(std::move(key)));
  CO_TRY(const auto port, port_name(service.root(), name));
  auto query = slices_of(match.ns, name.name);
  CO_TRY(const auto slices, co_await client->list(std::move(query)));
  std::vector<Endpoint> behind;
  for (const auto& slice : slices.items) {
    add_endpoints(slice.root(), port, behind);
  }
  // Source: Kubernetes 1.35, pkg/registry/core/service/storage, isValidAddress: it passes requests
  // on to pods only, as who may write Endpoints could else reach whatever the server reaches.
  std::erase_if(behind, [&match](const Endpoint& each) { return each.pod_ns != match.ns; });
  const auto first = behind.empty() ? 0 : context.parts.random.next() % behind.size();
  for (std::size_t i = 0; i < behind.size(); ++i) {
    const auto& one = behind[(first + i) % behind.size()];
    Key at{"pods", match.ns, one.pod};
    const auto pod = co_await client->get(std::move(at));
    if (pod.ok() && has_address(pod->root(), one.address)) {
      co_return target_of(*pod, name, one.port);
    }
  }
  co_return no_endpoints(match.name);
}

/// A port of the node itself. What Kubernetes has on the port of its kubelet, our agents do not
/// have: they listen nowhere.
Task<Result<ProxyTarget>> find_node(Context& context, ProxyName name) {
  const auto client = own_client(context);
  Key key{"nodes", "", name.name};
  CO_TRY(const auto node, co_await client->get(std::move(key)));
  if (name.port.empty()) {
    co_return Error{Code::unimplemented,
                    fmt::format("node \"{}\" has no endpoint of its own: name a port of the node, "
                                "as in nodes/{}:9100/proxy",
                                name.name,
                                name.name)};
  }
  const int port = port_number(name.port);
  if (port == 0) {
    co_return invalid_request("node", context.match.name);
  }
  ProxyTarget out;
  out.is_tls = name.scheme == "https";
  out.node = NodeName{name.name};
  out.request = fmt::format(R"({{"kind":"connect","port":{}}})", port);
  out.host = fmt::format("{}:{}", name.name, port);
  co_return out;
}

}  // namespace

Task<Result<ProxyTarget>> find_proxy_target(Context& context, std::string verb) {
  CO_TRY_STATUS(authorize_subresource(context, std::move(verb)));
  const auto& match = context.match;
  auto name = parse_proxy_name(match.name);
  if (!name) {
    const std::string_view plural = match.resource;
    co_return invalid_request(plural.substr(0, plural.size() - 1), match.name);
  }
  if (match.resource == "pods") {
    co_return co_await find_pod(context, *std::move(name));
  }
  if (match.resource == "services") {
    co_return co_await find_service(context, *std::move(name));
  }
  co_return co_await find_node(context, *std::move(name));
}

}  // namespace tetrarch::api::kubernetes
