// SPDX-License-Identifier: Apache-2.0
// Engine: questions in the form of objects: access reviews, token review, self review. Nothing of
// them is stored.
#include <utility>

#include <fmt/format.h>

#include "base/encoding.h"
#include "registry/engine.h"
#include "registry/errors.h"
#include "schema/decode.h"

namespace tetrarch::registry {

using object::View;
using object::Writer;

namespace {

void write_texts(Writer& out, std::string_view name, const std::vector<std::string>& texts) {
  if (texts.empty()) {
    return;
  }
  out.key(name).begin_array();
  for (const auto& text : texts) {
    out.string(text);
  }
  out.end_array();
}

void write_user(Writer& out, const trust::Identity& identity) {
  out.begin_object().field("username", identity.user);
  if (!identity.uid.empty()) {
    out.field("uid", identity.uid);
  }
  write_texts(out, "groups", identity.groups);
  if (!identity.extra.empty()) {
    out.key("extra").begin_object();
    for (const auto& [key, values] : identity.extra) {
      write_texts(out, key, values);
    }
    out.end_object();
  }
  out.end_object();
}

Attributes asked_of(View spec) {
  Attributes out;
  const View resource = spec["resourceAttributes"];
  if (!resource) {
    const View path = spec["nonResourceAttributes"];
    out.verb = path["verb"].string();
    out.path = path["path"].string();
    return out;
  }
  out.verb = resource["verb"].string();
  out.group = resource["group"].string();
  out.version = resource["version"].string();
  out.resource = resource["resource"].string();
  out.subresource = resource["subresource"].string();
  out.ns = resource["namespace"].string();
  out.name = resource["name"].string();
  return out;
}

trust::Identity subject_of(View spec) {
  trust::Identity out;
  out.user = spec["user"].string();
  out.uid = spec["uid"].string();
  for (const View group : spec["groups"].elements()) {
    out.groups.emplace_back(group.string());
  }
  return out;
}

Status check_access_review(const Call& call, View spec, bool is_self) {
  FieldErrors faults;
  const bool has_resource = static_cast<bool>(spec["resourceAttributes"]);
  const bool has_path = static_cast<bool>(spec["nonResourceAttributes"]);
  if (has_resource && has_path) {
    faults.push_back(invalid_value("spec.nonResourceAttributes",
                                   spec["nonResourceAttributes"].raw(),
                                   "cannot be specified in combination with resourceAttributes"));
  } else if (!has_resource && !has_path) {
    faults.push_back(invalid_value(
        "spec.resourceAttributes",
        "null",
        "exactly one of nonResourceAttributes or resourceAttributes must be specified"));
  }
  if (!is_self && spec["user"].string().empty() && spec["groups"].size() == 0) {
    faults.push_back(
        invalid_text("spec.user", "", "at least one of user or group must be specified"));
  }
  if (!faults.empty()) {
    return invalid(qualified_kind(*call.kind), "", std::move(faults));
  }
  return ok();
}

void write_rules(Writer& out, const std::vector<PolicyRule>& rules) {
  out.key("resourceRules").begin_array();
  for (const auto& rule : rules) {
    if (rule.urls.empty()) {
      out.begin_object();
      write_texts(out, "verbs", rule.verbs);
      write_texts(out, "apiGroups", rule.groups);
      write_texts(out, "resources", rule.resources);
      write_texts(out, "resourceNames", rule.names);
      out.end_object();
    }
  }
  out.end_array().key("nonResourceRules").begin_array();
  for (const auto& rule : rules) {
    if (!rule.urls.empty()) {
      out.begin_object();
      write_texts(out, "verbs", rule.verbs);
      write_texts(out, "nonResourceURLs", rule.urls);
      out.end_object();
    }
  }
  out.end_array().field("incomplete", false);
}

/// Whose token it is, and which of the audiences asked about it is meant for.
struct TokenVerdict {
  Result<trust::Identity> who;
  std::vector<std::string> audiences;
};

TokenVerdict review_token(const Authenticator& authenticator,
                          const std::string& issuer,
                          View spec) {
  const auto token = spec["token"].string();
  if (spec["audiences"].size() == 0) {
    return {authenticator.from_token(token, ""), {issuer}};
  }
  TokenVerdict out{Error{Code::unauthenticated, "Unauthorized"}, {}};
  for (const View audience : spec["audiences"].elements()) {
    auto who = authenticator.from_token(token, audience.string());
    if (who.ok()) {
      out.audiences.emplace_back(audience.string());
    }
    if (who.ok() || !out.who.ok()) {
      out.who = std::move(who);
    }
  }
  return out;
}

void write_token_review(Writer& out, const TokenVerdict& verdict) {
  if (!verdict.who.ok()) {
    out.field("error", verdict.who.error().message);
    return;
  }
  out.field("authenticated", true).key("user");
  write_user(out, *verdict.who);
  write_texts(out, "audiences", verdict.audiences);
}

}  // namespace

Result<Stored> Engine::review(const Call& call, std::string_view json) const {
  TRY(const auto decoded, schema::decode(*call.kind, json, schema::Unknown::ignore));
  const View spec = decoded.document->root()["spec"];
  const std::string_view kind = call.kind->kind;
  std::string bytes;
  Writer out(bytes);
  out.begin_object().field("kind", kind).field("apiVersion", call.kind->api_version());
  out.key("metadata").begin_object().end_object();
  if (spec) {
    out.field("spec", spec);
  }
  out.key("status").begin_object();
  if (kind == "TokenReview") {
    if (spec["token"].string().empty()) {
      return bad_request("token is required for TokenReview in authentication");
    }
    write_token_review(out, review_token(authenticator_, options_.token_issuer, spec));
  } else if (kind == "SelfSubjectReview") {
    out.key("userInfo");
    write_user(out, call.identity);
  } else if (kind == "SelfSubjectRulesReview") {
    auto rules = authorizer_.rbac().rules_of(call.identity, spec["namespace"].string());
    if (call.identity.is_in(trust::kMasters)) {
      rules.push_back({{"*"}, {"*"}, {"*"}});
      rules.push_back({{"*"}, {}, {}, {}, {"*"}});
    }
    write_rules(out, rules);
  } else {
    const bool is_self = kind == "SelfSubjectAccessReview";
    TRY_STATUS(check_access_review(call, spec, is_self));
    const auto asked = asked_of(spec);
    if (kind == "LocalSubjectAccessReview" && asked.ns != call.ns) {
      return bad_request("namespace on the request must match spec.resourceAttributes.namespace");
    }
    out.field("allowed", authorizer_.allows(is_self ? call.identity : subject_of(spec), asked));
  }
  out.end_object().end_object();
  return Stored{Key{call.kind->resource, call.ns, ""},
                Revision{},
                Document::from_canonical(std::move(bytes))};
}

}  // namespace tetrarch::registry
