// SPDX-License-Identifier: Apache-2.0
// /openapi/v2 (JSON, or the protobuf form that kubectl 1.20 needs) and /openapi/v3 (an index of
// hashed URLs and one document per group and version). Documents are large and asked for rarely:
// they are built when first asked for, and then kept.
#include "schema/openapi.h"

#include <map>
#include <vector>

#include <fmt/core.h>

#include "api/kubernetes/aggregator.h"
#include "api/kubernetes/documents.h"
#include "api/kubernetes/groups.h"
#include "api/kubernetes/serve.h"
#include "object/writer.h"

namespace tetrarch::api::kubernetes {
namespace {

constexpr std::string_view kJson = "application/json";
// Seen: kubectl 1.20, GET /openapi/v2.
constexpr std::string_view kProtobuf = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
// Seen: kubectl 1.20 refuses an answer whose media type has the '@' of the one that it asks for.
constexpr std::string_view kProtobufAnswer =
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

bool wants_protobuf(std::string_view accept) {
  for (const auto& range : parse_accept(accept)) {
    if (range.type == kProtobuf) {
      return true;
    }
    if (range.type == kJson || range.type == "*/*") {
      return false;
    }
  }
  return false;
}

/// "api/v1", "apis/apps/v1"
std::string path_of(std::string_view group, std::string_view version) {
  return group.empty() ? fmt::format("api/{}", version) : fmt::format("apis/{}/{}", group, version);
}

std::string hash_of(const Served& served) {
  return served.etag.substr(1, served.etag.size() - 2);
}

std::string url_of(std::string_view path, const Served& served) {
  return fmt::format("/openapi/v3/{}?hash={}", path, hash_of(served));
}

/// Null: no kind is in that group and version.
const Served* document_v3(const Context& context,
                          const std::string& group,
                          const std::string& version) {
  return context.documents.openapi->get("v3 " + path_of(group, version), [&] {
    return make_served(schema::openapi_v3(context.parts.catalog, group, version), kJson);
  });
}

const Served* document_v2(const Context& context,
                          KeptDocuments& kept,
                          const std::vector<schema::ForeignApi>& others) {
  const auto& catalog = context.parts.catalog;
  if (wants_protobuf(accept_of(context.request))) {
    return kept.get("v2 protobuf", [&] {
      return make_served(schema::openapi_v2_protobuf(catalog, others), kProtobufAnswer);
    });
  }
  return kept.get("v2",
                  [&] { return make_served(schema::openapi_v2_json(catalog, others), kJson); });
}

Task<Status> serve_v2(Context& context) {
  auto* aggregator = context.parts.aggregator;
  if (aggregator != nullptr) {
    // Held until the answer is out.
    if (const auto described = co_await aggregator->describe()) {
      const auto* served = document_v2(context, *described->kept, described->apis);
      co_return co_await respond_served(context, *served);
    }
  }
  co_return co_await respond_served(context, *document_v2(context, *context.documents.openapi, {}));
}

/// Of servers behind this one, by the path of each document: as the server itself names it.
std::map<std::string, std::string> remote_urls(const Context& context) {
  std::map<std::string, std::string> out;
  if (const auto* aggregator = context.parts.aggregator; aggregator != nullptr) {
    for (const auto& api : aggregator->remotes()) {
      out.emplace(path_of(api->group, api->version), api->openapi_url);
    }
  }
  return out;
}

Served make_index(const Context& context) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object().key("paths").begin_object();
  const auto remote = remote_urls(context);
  for (const auto& [path, url] : remote) {
    if (!url.empty()) {
      writer.key(path).begin_object().field("serverRelativeURL", url).end_object();
    }
  }
  for (const auto& group : groups_of(context.parts.catalog)) {
    for (const auto& version : group.versions) {
      const auto path = path_of(group.name, version.name);
      if (remote.contains(path)) {
        continue;
      }
      if (const auto* served = document_v3(context, group.name, version.name)) {
        writer.key(path).begin_object();
        writer.field("serverRelativeURL", url_of(path, *served)).end_object();
      }
    }
  }
  writer.end_object().end_object();
  return make_served(std::move(out), kJson);
}

/// Source: KEP-2896, "Serving": by its own hash a document never changes; by an older one the
/// client is sent to the present.
Task<Status> serve_v3(Context& context) {
  if (const auto* aggregator = context.parts.aggregator; aggregator != nullptr) {
    context.remote = aggregator->find(context.match.group, context.match.version);
    if (context.remote) {
      co_return co_await pass_on(context);
    }
  }
  const auto* served = document_v3(context, context.match.group, context.match.version);
  if (served == nullptr) {
    co_return co_await respond_not_found(context);
  }
  const auto asked = context.request.parameter("hash");
  if (!asked) {
    co_return co_await respond_served(context, *served);
  }
  if (*asked == hash_of(*served)) {
    co_return co_await respond_served(context, *served, "public, immutable, max-age=31536000");
  }
  context.answered = 301;
  auto headers = make_headers(context, "");
  headers.add("Location", url_of(path_of(context.match.group, context.match.version), *served));
  std::string nothing;
  co_return co_await context.exchange.respond(301, std::move(headers), std::move(nothing));
}

}  // namespace

Task<Status> serve_openapi(Context& context) {
  switch (context.match.route->action) {
    case Action::openapi_v2:
      co_return co_await serve_v2(context);
    case Action::openapi_v3_index: {
      // Made from documents that are kept; small, and asked for as rarely as they.
      const auto index = make_index(context);
      co_return co_await respond_served(context, index);
    }
    default:
      co_return co_await serve_v3(context);
  }
}

}  // namespace tetrarch::api::kubernetes
