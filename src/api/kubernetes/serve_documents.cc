// SPDX-License-Identifier: Apache-2.0
// Serves the documents that are built once, with an ETag so that clients need not read them twice.
#include "api/kubernetes/aggregator.h"
#include "api/kubernetes/documents.h"
#include "api/kubernetes/serve.h"

namespace tetrarch::api::kubernetes {
namespace {

/// The version of aggregated discovery that the client prefers to the plain form; empty: the plain
/// form.
std::string aggregated_version(std::string_view accept) {
  for (const auto& range : parse_accept(accept)) {
    if (range.type != "application/json" && range.type != "*/*" && range.type != "application/*") {
      continue;
    }
    if (range.parameter("as").empty()) {
      return "";
    }
    const auto version = range.parameter("v");
    if (range.parameter("g") == "apidiscovery.k8s.io" &&
        range.parameter("as") == "APIGroupDiscoveryList" &&
        (version == "v2" || version == "v2beta1")) {
      return std::string(version);
    }
  }
  return "";
}

const Served* choose(const Context& context, const Documents& documents) {
  std::string path(context.match.route->path);
  switch (context.match.route->action) {
    case Action::api_group:
      path = "/apis/" + context.match.group;
      break;
    case Action::resource_list:
      path = (context.match.group.empty() ? "/api" : "/apis/" + context.match.group) + "/" +
             context.match.version;
      break;
    case Action::api_versions:
    case Action::api_groups: {
      const auto version = aggregated_version(accept_of(context.request));
      const auto at = documents.aggregated.find(path + " " + version);
      if (at != documents.aggregated.end()) {
        return &at->second;
      }
      break;
    }
    default:
      break;
  }
  return documents.find(path);
}

}  // namespace

Task<Status> respond_served(Context& context, const Served& served, std::string_view caching) {
  auto headers = make_headers(context, served.content_type, caching);
  headers.add("ETag", served.etag);
  headers.add("Vary", "Accept");
  if (context.request.headers.get("If-None-Match") == served.etag) {
    context.answered = 304;
    std::string nothing;
    co_return co_await context.exchange.respond(304, std::move(headers), std::move(nothing));
  }
  context.answered = 200;
  // The document outlives the answer.
  net::Body body;
  body.pieces.push_back(served.body);
  co_return co_await context.exchange.respond(200, std::move(headers), std::move(body));
}

Task<Status> serve_document(Context& context) {
  // Held until the answer is out: others may take its place meanwhile.
  const auto* aggregator = context.parts.aggregator;
  const auto merged = aggregator != nullptr ? aggregator->documents() : nullptr;
  const auto* served = choose(context, merged ? *merged : context.documents);
  if (served == nullptr) {
    co_return co_await respond_not_found(context);
  }
  co_return co_await respond_served(context, *served);
}

}  // namespace tetrarch::api::kubernetes
