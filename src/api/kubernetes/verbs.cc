// SPDX-License-Identifier: Apache-2.0
// From method and path to the verb, and whether the kind has it.
#include "api/kubernetes/serve.h"

namespace tetrarch::api::kubernetes {
namespace {

/// The path of a namespaced kind without a namespace: only lists and watches cross namespaces.
bool lacks_namespace(const Context& context) {
  return context.kind->is_namespaced && context.match.ns.empty();
}

/// POST to pods/x/binding creates; the others read and write what is there.
bool is_created(std::string_view subresource) {
  return subresource == "binding" || subresource == "eviction" || subresource == "token";
}

}  // namespace

Task<Status> serve_collection(Context& context) {
  const auto& method = context.request.method;
  context.verb = method == "GET" ? "list" : method == "POST" ? "create" : "deletecollection";
  if (!context.kind->has_verb(context.verb) || (method != "GET" && lacks_namespace(context))) {
    co_return co_await respond_method_not_allowed(context);
  }
  if (method == "GET") {
    co_return co_await serve_list(context);
  }
  if (method == "POST") {
    co_return co_await serve_create(context);
  }
  co_return co_await serve_delete_collection(context);
}

Task<Status> serve_object(Context& context) {
  const auto& method = context.request.method;
  context.verb = method == "GET"     ? "get"
                 : method == "PUT"   ? "update"
                 : method == "PATCH" ? "patch"
                                     : "delete";
  if (!context.kind->has_verb(context.verb)) {
    co_return co_await respond_method_not_allowed(context);
  }
  if (method == "GET") {
    co_return co_await serve_get(context);
  }
  if (method == "DELETE") {
    co_return co_await serve_delete(context);
  }
  if (method == "PUT") {
    co_return co_await serve_update(context);
  }
  co_return co_await serve_patch(context);
}

Task<Status> serve_subresource(Context& context) {
  if (!context.kind->has_subresource(context.match.subresource)) {
    co_return co_await respond_not_found(context);
  }
  const auto& method = context.request.method;
  context.verb = method == "GET"     ? "get"
                 : method == "PUT"   ? "update"
                 : method == "PATCH" ? "patch"
                                     : "create";
  const bool is_create = method == "POST";
  const bool is_only_update = context.match.subresource == "finalize" && method != "PUT";
  if (is_create != is_created(context.match.subresource) || is_only_update) {
    co_return co_await respond_method_not_allowed(context);
  }
  if (method == "GET") {
    co_return co_await serve_get(context);
  }
  if (is_create) {
    co_return co_await serve_create(context);
  }
  if (method == "PUT") {
    co_return co_await serve_update(context);
  }
  co_return co_await serve_patch(context);
}

}  // namespace tetrarch::api::kubernetes
