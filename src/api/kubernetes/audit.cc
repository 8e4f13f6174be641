// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/audit.h"

#include <fmt/core.h>

#include "api/kubernetes/request_verb.h"
#include "base/utf8.h"
#include "object/tree.h"
#include "object/writer.h"
#include "object/yaml.h"

namespace tetrarch::api::kubernetes {
namespace {

using object::Writer;

void write_user(Writer& out, std::string_view key, const trust::Identity& user) {
  out.key(key).begin_object().field("username", to_utf8(user.user));
  if (!user.uid.empty()) {
    out.field("uid", user.uid);
  }
  if (!user.groups.empty()) {
    out.key("groups").begin_array();
    for (const auto& group : user.groups) {
      out.string(to_utf8(group));
    }
    out.end_array();
  }
  if (!user.extra.empty()) {
    out.key("extra").begin_object();
    for (const auto& [name, values] : user.extra) {
      out.key(to_utf8(name)).begin_array();
      for (const auto& value : values) {
        out.string(to_utf8(value));
      }
      out.end_array();
    }
    out.end_object();
  }
  out.end_object();
}

void field_unless_empty(Writer& out, std::string_view key, std::string_view value) {
  if (!value.empty()) {
    out.field(key, to_utf8(value));
  }
}

void write_reference(Writer& out, const Match& match) {
  out.key("objectRef").begin_object();
  field_unless_empty(out, "resource", match.resource);
  field_unless_empty(out, "namespace", match.ns);
  field_unless_empty(out, "name", match.name);
  field_unless_empty(out, "apiGroup", match.group);
  field_unless_empty(out, "apiVersion", match.version);
  field_unless_empty(out, "subresource", match.subresource);
  out.end_object();
}

/// The Status of a failure without its details; of a success its code only.
void write_status(Writer& out, int status, std::string_view body) {
  out.key("responseStatus").begin_object().key("metadata").begin_object().end_object();
  if (status >= 400) {
    const auto parsed = object::Document::parse(body);
    const auto told = parsed.ok() ? (*parsed)->root() : object::View();
    field_unless_empty(out, "status", told["status"].string());
    field_unless_empty(out, "message", told["message"].string());
    field_unless_empty(out, "reason", told["reason"].string());
  }
  out.field("code", status).end_object();
}

/// Of `10.1.2.3:4567` or `[::1]:4567`.
std::string ip_of(std::string_view address) {
  address = address.substr(0, address.rfind(':'));
  const bool is_bracketed = address.starts_with('[') && address.ends_with(']');
  return std::string(is_bracketed ? address.substr(1, address.size() - 2) : address);
}

/// JSON and YAML, which apply patches are; what is neither is told by note_request() later.
std::string json_of(const net::Request& request) {
  const auto type = request.headers.get("Content-Type");
  if (type.find("yaml") != std::string_view::npos) {
    return object::json_of_yaml(request.body).value_or("");
  }
  return type.find("json") != std::string_view::npos ? request.body : "";
}

void drop_managed_fields(object::Tree& value) {
  if (!value.is_object()) {
    return;
  }
  auto& members = value.get_object();
  if (auto* metadata = members.if_contains("metadata"); metadata && metadata->is_object()) {
    metadata->get_object().erase("managedFields");
  }
  if (auto* items = members.if_contains("items"); items && items->is_array()) {
    for (auto& item : items->get_array()) {
      drop_managed_fields(item);
    }
  }
}

}  // namespace

void AuditTrail::begin(const trust::Identity& asker,
                       const Match& match,
                       const net::Request& request) {
  match_ = match;
  if (match_.resource == "namespaces" && match_.group.empty() && match_.ns.empty()) {
    match_.ns = match_.name;  // as Kubernetes does: rules for a namespace see the object, too
  }
  is_resource_ = match.route != nullptr && is_resource(match.route->action);
  verb_ = verb_of(match, request);
  AuditSubject subject{.user = asker.user,
                       .groups = asker.groups,
                       .verb = verb_,
                       .is_resource = is_resource_,
                       .path = request.path,
                       .group = match_.group,
                       .resource = match_.resource,
                       .subresource = match_.subresource,
                       .ns = match_.ns,
                       .name = match_.name};
  rule_ = &log_.policy.rule_for(subject);
  if (rule_->level == AuditLevel::none) {
    return;
  }
  user_ = asker;
  uri_ = request.path + (request.query.empty() ? "" : "?" + request.query);
  agent_ = request.headers.get("User-Agent");
  address_ = ip_of(request.peer.address);
  if (rule_->level >= AuditLevel::request && is_resource_) {
    request_body_ = json_of(request);
  }
  emit(AuditStage::request_received, 0, "");
}

void AuditTrail::note_impersonated(const trust::Identity& as) {
  if (is_wanted() && as != user_) {
    impersonated_ = as;
  }
}

void AuditTrail::note_request(std::string_view json) {
  if (is_wanted() && rule_->level >= AuditLevel::request && is_resource_) {
    request_body_ = json;
  }
}

bool AuditTrail::wants_body(int status) const {
  return is_wanted() && (status >= 400 || rule_->level == AuditLevel::request_response);
}

bool AuditTrail::wants(AuditStage stage) const {
  return is_wanted() && !rule_->omits(stage);
}

void AuditTrail::started(int status) {
  emit(AuditStage::response_started, status, "");
}

void AuditTrail::complete(int status, std::string_view body) {
  emit(AuditStage::response_complete, status, body);
}

/// Canonical JSON, or empty where it is none.
std::string AuditTrail::pruned(std::string_view json) const {
  const auto parsed = object::Document::parse(json);
  if (!parsed.ok()) {
    return "";
  }
  if (!rule_->omits_managed_fields) {
    return std::string((*parsed)->root().raw());
  }
  auto tree = object::to_tree((*parsed)->root());
  drop_managed_fields(tree);
  return object::to_json(tree);
}

// Source: Kubernetes API reference v1.35, audit.k8s.io/v1, Event.
void AuditTrail::emit(AuditStage stage, int status, std::string_view body) {
  if (!wants(stage)) {
    return;
  }
  std::string line;
  Writer out(line);
  out.begin_object().field("kind", "Event").field("apiVersion", "audit.k8s.io/v1");
  out.field("level", word_of(rule_->level))
      .field("auditID", to_utf8(id_))
      .field("stage", word_of(stage))
      .field("requestURI", to_utf8(uri_))
      .field("verb", verb_);
  write_user(out, "user", user_);
  if (impersonated_) {
    write_user(out, "impersonatedUser", *impersonated_);
  }
  out.key("sourceIPs").begin_array().string(to_utf8(address_)).end_array();
  field_unless_empty(out, "userAgent", agent_);
  if (is_resource_) {
    write_reference(out, match_);
  }
  if (stage != AuditStage::request_received) {
    write_status(out, status, body);
    if (auto json = pruned(request_body_); !json.empty()) {
      out.key("requestObject").raw(json);
    }
  }
  const bool is_end = stage == AuditStage::response_complete;
  if (is_end && rule_->level == AuditLevel::request_response && is_resource_) {
    if (auto json = pruned(body); !json.empty()) {
      out.key("responseObject").raw(json);
    }
  }
  out.field("requestReceivedTimestamp", format_micro_time(received_))
      .field("stageTimestamp", format_micro_time(clock_.now()));
  if (is_end && status != 401) {
    out.key("annotations")
        .begin_object()
        .field("authorization.k8s.io/decision", status == 403 ? "forbid" : "allow")
        .end_object();
  }
  out.end_object();
  log_.write(std::move(line));
}

}  // namespace tetrarch::api::kubernetes
