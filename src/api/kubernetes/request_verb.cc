// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/request_verb.h"

#include "api/kubernetes/parameters.h"

namespace tetrarch::api::kubernetes {
namespace {

bool asks_for_watch(const net::Request& request) {
  return bool_parameter(request, "watch");
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

// Source: Kubernetes documentation, "Authorization", request verbs.
std::string object_verb(std::string_view method) {
  return method == "POST"                      ? "create"
         : method == "PUT"                     ? "update"
         : method == "PATCH"                   ? "patch"
         : method == "GET" || method == "HEAD" ? "get"
                                               : lower(method);
}

std::string collection_verb(const net::Request& request) {
  if (request.method == "GET" || request.method == "HEAD") {
    return asks_for_watch(request) ? "watch" : "list";
  }
  return request.method == "DELETE" ? "deletecollection" : object_verb(request.method);
}

/// Source: kube-apiserver flags, default of what is long-running (1.35).
bool is_streamed(std::string_view subresource) {
  return subresource == "attach" || subresource == "exec" || subresource == "proxy" ||
         subresource == "log" || subresource == "portforward";
}

}  // namespace

bool is_resource(Action action) {
  switch (action) {
    case Action::collection:
    case Action::object:
    case Action::subresource:
    case Action::watch_collection:
    case Action::watch_object:
    case Action::log:
    case Action::exec:
    case Action::attach:
    case Action::portforward:
    case Action::proxy:
    case Action::remote:
      return true;
    default:
      return false;
  }
}

std::string verb_of(const Match& match, const net::Request& request) {
  if (match.route == nullptr || !is_resource(match.route->action)) {
    return lower(request.method);
  }
  switch (match.route->action) {
    case Action::watch_collection:
    case Action::watch_object:
      return "watch";
    case Action::collection:
      return collection_verb(request);
    case Action::remote:
      return match.is_watch       ? "watch"
             : match.name.empty() ? collection_verb(request)
                                  : object_verb(request.method);
    default:
      return object_verb(request.method);
  }
}

bool is_long_running(const Match& match, const net::Request& request) {
  if (match.route == nullptr) {
    return false;
  }
  switch (match.route->action) {
    case Action::log:
    case Action::exec:
    case Action::attach:
    case Action::portforward:
    case Action::proxy:
    case Action::feed:
    case Action::reach:
    case Action::backup:
    case Action::watch_collection:
    case Action::watch_object:
      return true;
    case Action::collection:
      return request.method == "GET" && asks_for_watch(request);
    case Action::remote:
      return verb_of(match, request) == "watch" || is_streamed(match.subresource);
    default:
      return false;
  }
}

}  // namespace tetrarch::api::kubernetes
