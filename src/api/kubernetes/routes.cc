// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/routes.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/encoding.h"
#include "base/utf8.h"

namespace tetrarch::api::kubernetes {
namespace {

constexpr std::string_view kCollection = "GET POST DELETE";
constexpr std::string_view kObject = "GET PUT PATCH DELETE";
constexpr std::string_view kSubresource = "GET POST PUT PATCH";
constexpr std::string_view kStream = "GET POST";
constexpr std::string_view kProxy = "GET POST PUT PATCH DELETE HEAD OPTIONS";

// Source: Kubernetes API Concepts, "Resource URIs"; Kubernetes API reference v1.35, "Operations".
constexpr auto kRoutes = std::to_array<Route>({
    {"GET", "/", Action::root},
    {"GET", "/version", Action::version},
    {"GET", "/healthz", Action::health},
    {"GET", "/livez", Action::health},
    {"GET", "/readyz", Action::health},
    {"GET", "/healthz/{name}", Action::health},
    {"GET", "/livez/{name}", Action::health},
    {"GET", "/readyz/{name}", Action::health},
    {"GET", "/metrics", Action::metrics},
    {"GET", "/.well-known/openid-configuration", Action::openid_configuration},
    {"GET", "/openid/v1/jwks", Action::openid_keys},
    {"GET", "/openapi/v2", Action::openapi_v2},
    {"GET", "/openapi/v3", Action::openapi_v3_index},
    {"GET", "/openapi/v3/api/v1", Action::openapi_v3},
    {"GET", "/openapi/v3/apis/{group}/{version}", Action::openapi_v3},

    {"POST", "/tetrarch/v1/join", Action::join},
    {"GET", "/tetrarch/v1/nodes/{name}/feed", Action::feed},
    {"GET", "/tetrarch/v1/nodes/{name}/reach", Action::reach},
    {"GET", "/tetrarch/v1/backup", Action::backup},

    {"GET", "/api", Action::api_versions},
    {"GET", "/api/v1", Action::resource_list},
    {"GET", "/api/v1/watch/namespaces/{namespace}/{resource}", Action::watch_collection},
    {"GET", "/api/v1/watch/namespaces/{namespace}/{resource}/{name}", Action::watch_object},
    {"GET", "/api/v1/watch/{resource}", Action::watch_collection},
    {"GET", "/api/v1/watch/{resource}/{name}", Action::watch_object},
    {kSubresource, "/api/v1/namespaces/{name}/status", Action::subresource},
    {kSubresource, "/api/v1/namespaces/{name}/finalize", Action::subresource},
    {"GET", "/api/v1/namespaces/{namespace}/pods/{name}/log", Action::log},
    {kStream, "/api/v1/namespaces/{namespace}/pods/{name}/exec", Action::exec},
    {kStream, "/api/v1/namespaces/{namespace}/pods/{name}/attach", Action::attach},
    {kStream, "/api/v1/namespaces/{namespace}/pods/{name}/portforward", Action::portforward},
    {kProxy, "/api/v1/namespaces/{namespace}/pods/{name}/proxy", Action::proxy},
    {kProxy, "/api/v1/namespaces/{namespace}/services/{name}/proxy", Action::proxy},
    {kProxy, "/api/v1/nodes/{name}/proxy", Action::proxy},
    {kCollection, "/api/v1/namespaces/{namespace}/{resource}", Action::collection},
    {kObject, "/api/v1/namespaces/{namespace}/{resource}/{name}", Action::object},
    {kSubresource,
     "/api/v1/namespaces/{namespace}/{resource}/{name}/{subresource}",
     Action::subresource},
    {kCollection, "/api/v1/{resource}", Action::collection},
    {kObject, "/api/v1/{resource}/{name}", Action::object},
    {kSubresource, "/api/v1/{resource}/{name}/{subresource}", Action::subresource},

    {"GET", "/apis", Action::api_groups},
    {"GET POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", Action::definitions},
    {"GET", "/apis/{group}", Action::api_group},
    {"GET", "/apis/{group}/{version}", Action::resource_list},
    {"GET",
     "/apis/{group}/{version}/watch/namespaces/{namespace}/{resource}",
     Action::watch_collection},
    {"GET",
     "/apis/{group}/{version}/watch/namespaces/{namespace}/{resource}/{name}",
     Action::watch_object},
    {"GET", "/apis/{group}/{version}/watch/{resource}", Action::watch_collection},
    {"GET", "/apis/{group}/{version}/watch/{resource}/{name}", Action::watch_object},
    {kCollection, "/apis/{group}/{version}/namespaces/{namespace}/{resource}", Action::collection},
    {kObject, "/apis/{group}/{version}/namespaces/{namespace}/{resource}/{name}", Action::object},
    {kSubresource,
     "/apis/{group}/{version}/namespaces/{namespace}/{resource}/{name}/{subresource}",
     Action::subresource},
    {kCollection, "/apis/{group}/{version}/{resource}", Action::collection},
    {kObject, "/apis/{group}/{version}/{resource}/{name}", Action::object},
    {kSubresource, "/apis/{group}/{version}/{resource}/{name}/{subresource}", Action::subresource},
});

std::string_view take_segment(std::string_view& pattern) {
  pattern.remove_prefix(1);  // the slash
  const auto end = pattern.find('/');
  const auto out = pattern.substr(0, end);
  pattern = end == std::string_view::npos ? std::string_view{} : pattern.substr(end);
  return out;
}

void capture(Match& match, std::string_view place, const std::string& value) {
  if (place == "{group}") {
    match.group = value;
  } else if (place == "{version}") {
    match.version = value;
  } else if (place == "{namespace}") {
    match.ns = value;
  } else if (place == "{resource}") {
    match.resource = value;
  } else if (place == "{name}") {
    match.name = value;
  } else if (place == "{subresource}") {
    match.subresource = value;
  }
}

bool fits(const Route& route, const std::vector<std::string>& segments, Match& match) {
  auto rest = route.path == "/" ? std::string_view{} : route.path;
  for (const auto& segment : segments) {
    if (rest.empty()) {
      return false;
    }
    const auto part = take_segment(rest);
    if (part.front() == '{') {
      capture(match, part, segment);
    } else if (part != segment) {
      return false;
    }
  }
  return rest.empty();
}

/// What a row says in its literal segments.
void fill_literals(Match& match, const std::vector<std::string>& segments) {
  if (segments.empty()) {
    return;
  }
  if (segments[0] == "api" && segments.size() > 1) {
    match.version = segments[1];
  } else if (segments[0] == "openapi" && match.version.empty()) {
    match.version = "v1";
  }
  switch (match.route->action) {
    case Action::log:
    case Action::exec:
    case Action::attach:
    case Action::portforward:
      match.resource = "pods";
      match.subresource = segments.back();
      break;
    case Action::proxy:
      match.resource = segments[segments.size() - 3];
      match.subresource = segments.back();
      break;
    case Action::subresource:
      if (match.resource.empty()) {
        match.resource = "namespaces";
        match.subresource = segments.back();
      }
      break;
    default:
      break;
  }
}

Match match_segments(const std::vector<std::string>& segments) {
  for (const auto& segment : segments) {
    if (segment == "." || segment == ".." || segment.find('/') != std::string::npos) {
      return {};
    }
  }
  for (const auto& route : kRoutes) {
    Match match;
    if (fits(route, segments, match)) {
      match.route = &route;
      fill_literals(match, segments);
      return match;
    }
  }
  return {};
}

/// Where the segment `proxy` ends in a path of a proxied request, as far as its place tells:
/// /api/v1/nodes/{name}/proxy or /api/v1/namespaces/{namespace}/{resource}/{name}/proxy.
std::size_t end_of_proxy(std::string_view path) {
  std::size_t count = 0;
  std::size_t at = 0;
  std::string_view third;
  while (at < path.size()) {
    const auto end = std::min(path.find('/', at), path.size());
    const auto segment = path.substr(at, end - at);
    at = end + 1;
    if (segment.empty()) {
      continue;
    }
    ++count;
    third = count == 3 ? segment : third;
    const std::size_t place = third == "nodes" ? 5 : third == "namespaces" ? 7 : 0;
    if (count == place) {
      return segment == "proxy" ? end : path.size();
    }
  }
  return path.size();
}

}  // namespace

bool Route::allows(std::string_view method) const {
  auto rest = methods;
  while (!rest.empty()) {
    const auto end = rest.find(' ');
    if (rest.substr(0, end) == method) {
      return true;
    }
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  }
  return false;
}

Result<std::vector<std::string>> split_path(std::string_view path) {
  std::vector<std::string> out;
  while (!path.empty()) {
    const auto end = path.find('/');
    const auto raw = path.substr(0, end);
    path = end == std::string_view::npos ? std::string_view{} : path.substr(end + 1);
    if (!raw.empty()) {
      TRY(auto segment, percent_decode(raw, false));
      if (!is_utf8(segment)) {
        return Error{Code::malformed, "the path of the request is not UTF-8"};
      }
      out.push_back(std::move(segment));
    }
  }
  return out;
}

std::span<const Route> routes() {
  return kRoutes;
}

Result<Match> match_path(std::string_view path) {
  const auto head = path.substr(0, end_of_proxy(path));
  TRY(const auto segments, split_path(head));
  auto match = match_segments(segments);
  if (match.route != nullptr && match.route->action == Action::proxy) {
    match.tail = path.substr(head.size());
    return match;
  }
  if (head.size() == path.size()) {
    return match;
  }
  TRY(const auto all, split_path(path));
  return match_segments(all);
}

}  // namespace tetrarch::api::kubernetes
