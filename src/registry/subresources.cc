// SPDX-License-Identifier: Apache-2.0
// Engine: subresources that are created or have a shape of their own: binding, eviction, token,
// scale.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "object/json_patch.h"
#include "object/merge_patch.h"
#include "object/selector.h"
#include "object/tree.h"
#include "registry/engine.h"
#include "registry/errors.h"
#include "registry/pod_references.h"
#include "trust/service_account_token.h"

namespace tetrarch::registry {

using object::View;
using object::Writer;

namespace {

constexpr std::int64_t kTokenSecondsDefault = 3600;
constexpr std::int64_t kTokenSecondsMin = 600;
// Evictions of one budget compete for it: ours, more than the 20 that kube-apiserver tries, since
// we do not pause between them.
constexpr int kEvictTries = 64;
constexpr std::int64_t kTokenSecondsMax = std::int64_t{1} << 32U;

Result<DocumentPtr> parse_body(std::string_view json) {
  auto parsed = Document::parse(json);
  if (!parsed.ok()) {
    return bad_request("the object provided is unrecognized: " + parsed.error().message);
  }
  if (!(*parsed)->root().is_object()) {
    return bad_request("the object provided is unrecognized: it must be a JSON object");
  }
  return *std::move(parsed);
}

struct TokenSpec {
  std::vector<std::string> audiences;
  std::int64_t seconds = kTokenSecondsDefault;
  trust::BoundObject bound;
  std::string bound_kind;
};

Result<TokenSpec> read_token_spec(View spec, const Call& call, const std::string& issuer) {
  TokenSpec out;
  for (const View audience : spec["audiences"].elements()) {
    out.audiences.emplace_back(audience.string());
  }
  if (out.audiences.empty()) {
    out.audiences.push_back(issuer);
  }
  out.seconds = spec["expirationSeconds"].integer(kTokenSecondsDefault);
  FieldErrors faults;
  const auto value = std::to_string(out.seconds);
  if (out.seconds < kTokenSecondsMin) {
    faults.push_back(invalid_value(
        "spec.expirationSeconds", value, "may not specify a duration less than 10 minutes"));
  } else if (out.seconds > kTokenSecondsMax) {
    faults.push_back(invalid_value(
        "spec.expirationSeconds", value, "may not specify a duration larger than 2^32 seconds"));
  }
  if (!faults.empty()) {
    return invalid("TokenRequest.authentication.k8s.io", call.name, std::move(faults));
  }
  const View ref = spec["boundObjectRef"];
  out.bound_kind = ref["kind"].string();
  out.bound = {std::string(ref["name"].string()), std::string(ref["uid"].string())};
  return out;
}

std::string_view resource_of_bound(std::string_view kind) {
  return kind == "Pod" ? "pods" : kind == "Secret" ? "secrets" : kind == "Node" ? "nodes" : "";
}

/// The object that a token is to be bound to must be there, and be the caller's to name.
Status check_bound(const Call& call, const store::Snapshot& snapshot, TokenSpec& spec) {
  const auto node = node_of(call.identity);
  if (spec.bound_kind.empty()) {
    return node.empty()
               ? ok()
               : Status(forbidden(
                     "serviceaccounts", call.name, "node requested token not bound to a pod"));
  }
  const std::string resource(resource_of_bound(spec.bound_kind));
  if (resource.empty()) {
    return bad_request(
        fmt::format("cannot bind token for serviceaccount \"{}\" to type {}: only Pod, Secret "
                    "and Node are supported",
                    call.name,
                    spec.bound_kind));
  }
  const auto found =
      snapshot.get(Key{resource, resource == "nodes" ? std::string() : call.ns, spec.bound.name});
  if (!found) {
    return not_found(resource, spec.bound.name);
  }
  if (!spec.bound.uid.empty() && spec.bound.uid != found->uid()) {
    return conflict(
        resource,
        spec.bound.name,
        fmt::format("the UID in the bound object reference ({}) does not match the UID in "
                    "record. The object might have been deleted and then recreated",
                    spec.bound.uid));
  }
  spec.bound.uid = found->uid();
  const View pod = found->root()["spec"];
  if (resource == "pods" && pod["serviceAccountName"].string() != call.name) {
    return bad_request(
        fmt::format("cannot bind token for serviceaccount \"{}\" to pod running with "
                    "different serviceaccount name.",
                    call.name));
  }
  if (!node.empty() && (resource != "pods" || pod["nodeName"].string() != node)) {
    return forbidden("serviceaccounts",
                     call.name,
                     "node requested token bound to a pod scheduled on a different node");
  }
  return ok();
}

std::string token_answer(View request,
                         const std::string& token,
                         TimePoint expires,
                         const Call& call,
                         const TokenSpec& spec,
                         const std::string& now) {
  std::string json;
  Writer out(json);
  out.begin_object().field("kind", "TokenRequest");
  out.field("apiVersion", "authentication.k8s.io/v1");
  out.key("metadata").begin_object().field("name", call.name).field("namespace", call.ns);
  out.field("creationTimestamp", now).end_object();
  out.key("spec").begin_object().key("audiences").begin_array();
  for (const auto& audience : spec.audiences) {
    out.string(audience);
  }
  out.end_array().field("expirationSeconds", spec.seconds);
  if (request["spec"]["boundObjectRef"]) {
    out.field("boundObjectRef", request["spec"]["boundObjectRef"]);
  } else {
    out.key("boundObjectRef").null();
  }
  out.end_object();
  out.key("status").begin_object().field("token", token);
  out.field("expirationTimestamp", format_time(expires)).end_object().end_object();
  return json;
}

/// As text; replication controllers have a plain map.
std::string selector_text(const Call& call, View selector) {
  if (call.kind->resource == "replicationcontrollers") {
    return selector ? object::LabelSelector::from_map(selector).text() : std::string();
  }
  const auto read = object::LabelSelector::from_object(selector);
  return read.ok() ? read->text() : std::string();
}

Error no_scale(const Call& call) {
  return {Code::not_found,
          fmt::format("the server could not find the requested resource ({}/scale)",
                      call.kind->plural)};
}

/// The wanted replicas in a Scale body.
Result<std::int64_t> scale_replicas(const Call& call, View scale) {
  const View replicas = scale["spec"]["replicas"];
  const auto wanted = replicas.integer();
  const bool is_int32 = replicas.is_number() && replicas.raw() == std::to_string(wanted) &&
                        std::in_range<std::int32_t>(wanted);
  if (replicas && !is_int32) {
    return bad_request(
        "Scale in version \"v1\" cannot be handled as a Scale: json: cannot unmarshal "
        "into Go struct field ScaleSpec.spec.replicas of type int32");
  }
  const auto name = scale["metadata"]["name"].string();
  if (!name.empty() && name != call.name) {
    return bad_request(fmt::format(
        "the name of the object ({}) does not match the name on the URL ({})", name, call.name));
  }
  return wanted;
}

}  // namespace

Task<Result<Stored>> Engine::bind(Call call, std::string json) {
  CO_TRY(const auto body, parse_body(json));
  const View root = body->root();
  if (call.name.empty()) {
    call.name = root["metadata"]["name"].string();
  }
  co_return co_await carry_out(call, [&] { return planner_.bind(call, root); });
}

Task<Result<Stored>> Engine::evict(Call call, std::string json) {
  CO_TRY(const auto body, parse_body(json));
  const auto named = body->root()["metadata"]["name"].string();
  if (named != call.name) {
    co_return bad_request("name in URL does not match name in Eviction object");
  }
  const View options = body->root()["deleteOptions"];
  client::DeleteOptions how;
  if (options["gracePeriodSeconds"]) {
    how.grace_seconds = options["gracePeriodSeconds"].integer();
  }
  how.expected_uid = options.find("preconditions.uid").string();
  const auto version = options.find("preconditions.resourceVersion").string();
  CO_TRY(const auto expected, parse_version(version));
  how.expected = Revision{expected};
  how.is_dry_run = call.is_dry_run || options["dryRun"].size() > 0;
  call.subresource.clear();
  co_return co_await carry_out(
      call, [&] { return planner_.evict(call, how); }, kEvictTries);
}

Result<Stored> Engine::issue_token(const Call& call, std::string_view json) const {
  TRY(const auto body, parse_body(json));
  if (parts_.token_keys == nullptr) {
    return Error{Code::unsupported, "this server has no key to sign service account tokens with"};
  }
  const auto snapshot = parts_.store.snapshot();
  const auto account = snapshot.get(Key{"serviceaccounts", call.ns, call.name});
  if (!account) {
    return not_found("serviceaccounts", call.name);
  }
  TRY(auto spec, read_token_spec(body->root()["spec"], call, options_.token_issuer));
  TRY_STATUS(check_bound(call, snapshot, spec));
  trust::TokenClaims claims;
  claims.issuer = options_.token_issuer;
  claims.subject = fmt::format("{}{}:{}", trust::kServiceAccountUserPrefix, call.ns, call.name);
  claims.audiences = spec.audiences;
  claims.issued_at = parts_.clock.now();
  claims.not_before = claims.issued_at;
  claims.expires_at = claims.issued_at + std::chrono::seconds(spec.seconds);
  claims.id = make_uuid(parts_.random);
  claims.ns = call.ns;
  claims.service_account = {call.name, std::string(account->uid())};
  if (spec.bound_kind == "Pod") {
    claims.pod = spec.bound;
    const auto pod = snapshot.get(Key{"pods", call.ns, spec.bound.name});
    const std::string node(pod ? pod->root().find("spec.nodeName").string() : "");
    if (const auto found = snapshot.get(Key{"nodes", "", node}); found) {
      claims.node = {node, std::string(found->uid())};
    }
  } else if (spec.bound_kind == "Secret") {
    claims.secret = spec.bound;
  } else if (spec.bound_kind == "Node") {
    claims.node = spec.bound;
  }
  TRY(const auto token, parts_.token_keys->issue(claims));
  auto answer = token_answer(
      body->root(), token, claims.expires_at, call, spec, format_time(claims.issued_at));
  return Stored{Key{call.kind->resource, call.ns, call.name},
                Revision{},
                Document::from_canonical(std::move(answer))};
}

Result<Stored> Engine::scale_of(const Call& call, const Stored& parent) const {
  const View spec = parent.root()["spec"];
  if (!spec["replicas"].exists()) {
    return no_scale(call);
  }
  std::string json;
  Writer out(json);
  const View meta = parent.metadata();
  out.begin_object().field("kind", "Scale").field("apiVersion", "autoscaling/v1");
  out.key("metadata").begin_object();
  for (const auto* field : {"name", "namespace", "uid", "creationTimestamp"}) {
    out.field(field, meta[field].string());
  }
  out.end_object();
  out.key("spec").begin_object().field("replicas", spec["replicas"].integer()).end_object();
  out.key("status").begin_object();
  out.field("replicas", parent.root().find("status.replicas").integer());
  out.field("selector", selector_text(call, spec["selector"]));
  out.end_object().end_object();
  return Stored{parent.key, parent.revision, Document::from_canonical(std::move(json))};
}

Task<Result<Stored>> Engine::update_scale(Call call, std::string json) {
  CO_TRY(const auto body, parse_body(json));
  CO_TRY(const auto replicas, scale_replicas(call, body->root()));
  const std::string version(body->root()["metadata"]["resourceVersion"].string());
  CO_TRY(auto parent,
         co_await carry_out(call, [&] { return planner_.scale(call, replicas, version); }));
  co_return scale_of(call, parent);
}

Task<Result<Stored>> Engine::apply_scale(Call call,
                                         std::string json,
                                         client::WriteOptions options) {
  CO_TRY(const auto body, parse_body(json));
  const View scale = body->root();
  if (scale["apiVersion"].string() != "autoscaling/v1" || scale["kind"].string() != "Scale") {
    co_return bad_request(fmt::format(
        "invalid object type: {}, Kind={}", scale["apiVersion"].string(), scale["kind"].string()));
  }
  CO_TRY(const auto replicas, scale_replicas(call, scale));
  // What a scale says of its object is a configuration of that object with one field.
  std::string configuration;
  Writer out(configuration);
  out.begin_object().field("apiVersion", call.kind->api_version()).field("kind", call.kind->kind);
  out.key("metadata").begin_object().field("name", call.name);
  if (scale["metadata"]["resourceVersion"]) {
    out.field("resourceVersion", scale["metadata"]["resourceVersion"]);
  }
  out.end_object().key("spec").begin_object();
  if (scale["spec"]["replicas"]) {
    out.field("replicas", replicas);
  }
  out.end_object().end_object();
  CO_TRY(auto parent,
         co_await carry_out(call, [&] { return planner_.apply(call, configuration, options); }));
  co_return scale_of(call, parent);
}

Task<Result<Stored>> Engine::patch_scale(Call call, client::PatchType type, std::string body) {
  CO_TRY(const auto patch,
         parse_body(type == client::PatchType::json ? "{\"ops\":" + body + "}" : body));
  const auto make = [&]() -> Result<Plan> {
    TRY(const auto parent, reader_.get(call, ReadAt()));
    TRY(const auto scale, scale_of(call, parent));
    auto tree = object::to_tree(scale.root());
    if (type == client::PatchType::json) {
      TRY_STATUS(object::apply_json_patch(tree, patch->root()["ops"]));
    } else {
      // A Scale has no list: a strategic merge is a merge.
      TRY_STATUS(object::apply_merge_patch(tree, patch->root()));
    }
    const auto fresh = object::to_document(tree);
    TRY(const auto replicas, scale_replicas(call, fresh->root()));
    return planner_.scale(call, replicas, fresh->root()["metadata"]["resourceVersion"].string());
  };
  CO_TRY(auto parent, co_await carry_out(call, make));
  co_return scale_of(call, parent);
}

}  // namespace tetrarch::registry
