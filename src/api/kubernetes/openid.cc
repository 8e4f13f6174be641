// SPDX-License-Identifier: Apache-2.0
// How others find and check service account tokens of this cluster.
// Source: OpenID Connect Discovery 1.0, section 3; Kubernetes documentation, "Configure Service
// Accounts for Pods", "Service account issuer discovery".
#include "api/kubernetes/serve.h"
#include "object/writer.h"

namespace tetrarch::api::kubernetes {
namespace {

constexpr std::string_view kCaching = "public, max-age=3600";

std::string configuration(const Parts& parts) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object().field("issuer", parts.token_issuer.issuer);
  writer.field("jwks_uri", "https://" + parts.options.advertise_address + "/openid/v1/jwks");
  writer.key("response_types_supported").begin_array().string("id_token").end_array();
  writer.key("subject_types_supported").begin_array().string("public").end_array();
  writer.key("id_token_signing_alg_values_supported").begin_array().string("ES256").end_array();
  writer.end_object();
  return out;
}

}  // namespace

Task<Status> serve_openid(Context& context) {
  const auto& issuer = context.parts.token_issuer;
  if (issuer.issuer.empty()) {
    co_return co_await respond_not_found(context);
  }
  const bool is_keys = context.match.route->action == Action::openid_keys;
  auto headers =
      make_headers(context, is_keys ? "application/jwk-set+json" : "application/json", kCaching);
  std::string body = is_keys ? issuer.keys() : configuration(context.parts);
  context.answered = 200;
  co_return co_await context.exchange.respond(200, std::move(headers), std::move(body));
}

}  // namespace tetrarch::api::kubernetes
