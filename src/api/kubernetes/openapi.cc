// SPDX-License-Identifier: Apache-2.0
// /openapi/v2 (JSON, or the protobuf form that kubectl 1.20 needs) and /openapi/v3 (an index of
// hashed URLs and one document per group and version). Documents are large and asked for rarely:
// they are built when asked for.
#include "schema/openapi.h"

#include <fmt/core.h>

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

std::string index_of(const schema::Catalog& catalog) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object().key("paths").begin_object();
  for (const auto& group : groups_of(catalog)) {
    for (const auto& version : group.versions) {
      const auto served = make_served(schema::openapi_v3(catalog, group.name, version.name), kJson);
      const auto path = path_of(group.name, version.name);
      const auto hash = served.etag.substr(1, served.etag.size() - 2);
      writer.key(path)
          .begin_object()
          .field("serverRelativeURL", fmt::format("/openapi/v3/{}?hash={}", path, hash))
          .end_object();
    }
  }
  writer.end_object().end_object();
  return out;
}

/// Empty: there is no such document.
Served document_of(const Context& context) {
  const auto& catalog = context.parts.catalog;
  const auto& match = context.match;
  switch (match.route->action) {
    case Action::openapi_v2:
      return wants_protobuf(accept_of(context.request))
                 ? make_served(schema::openapi_v2_protobuf(catalog), kProtobufAnswer)
                 : make_served(schema::openapi_v2_json(catalog), kJson);
    case Action::openapi_v3_index:
      return make_served(index_of(catalog), kJson);
    default:
      return make_served(schema::openapi_v3(catalog, match.group, match.version), kJson);
  }
}

}  // namespace

Task<Status> serve_openapi(Context& context) {
  const auto served = document_of(context);
  if (served.body.empty()) {
    co_return co_await respond_not_found(context);
  }
  co_return co_await respond_served(context, served);
}

}  // namespace tetrarch::api::kubernetes
