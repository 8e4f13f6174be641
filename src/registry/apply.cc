// SPDX-License-Identifier: Apache-2.0
// Planner and Engine: server-side apply. The configuration is merged into what is there now; who
// owns what afterwards is schema/ownership.h.
#include <utility>

#include <fmt/format.h>

#include "object/managed_fields.h"
#include "object/yaml.h"
#include "registry/engine.h"
#include "registry/errors.h"
#include "registry/last_applied.h"
#include "registry/managed.h"
#include "registry/planner.h"
#include "registry/versions.h"
#include "schema/decode.h"
#include "schema/fields.h"
#include "schema/ownership.h"

namespace tetrarch::registry {

using object::View;

namespace {

// Source: apimachinery v0.35, util/managedfields: who owns what was there before any apply.
constexpr std::string_view kBeforeFirstApply = "before-first-apply";

/// "apps/v1, Kind=Deployment"; of the core group "/v1, Kind=Pod".
std::string kind_text(std::string_view api_version, std::string_view kind) {
  const bool has_group = api_version.find('/') != std::string_view::npos;
  return fmt::format("{}{}, Kind={}", has_group ? "" : "/", api_version, kind);
}

/// What an applied configuration must not be.
/// Source of the sentences: apimachinery v0.35, util/managedfields/internal.
Status check_head(const Call& call, View sent) {
  const auto api_version = sent["apiVersion"].string();
  const auto kind = sent["kind"].string();
  if (api_version != call.kind->api_version() || kind != call.kind->kind) {
    return bad_request("invalid object type: " + kind_text(api_version, kind));
  }
  const View metadata = sent["metadata"];
  if (metadata["managedFields"]) {
    return bad_request("metadata.managedFields must be nil");
  }
  auto typed = schema::check_applied(*call.kind->type, sent);
  if (!typed.ok()) {
    // Ours: a request that is wrong is 400; a kube-apiserver answers 500 with these words.
    return bad_request(fmt::format("failed to create typed patch object ({}/{}; {}): {}",
                                   metadata["namespace"].string(),
                                   metadata["name"].string(),
                                   kind_text(api_version, kind),
                                   typed.error().message));
  }
  return ok();
}

Result<DocumentPtr> parse_configuration(std::string_view json) {
  auto parsed = Document::parse(json);
  if (!parsed.ok()) {
    return bad_request("error decoding patch: " + parsed.error().message);
  }
  if (!(*parsed)->root().is_object()) {
    return bad_request("error decoding patch: an applied configuration is an object");
  }
  return *std::move(parsed);
}

Status check_name(const Call& call, View sent) {
  const auto name = sent["metadata"]["name"].string();
  if (name.empty()) {
    return bad_request(fmt::format(
        "the name of the object ({} based on URL) was undeterminable: name must be provided",
        call.name));
  }
  if (name != call.name) {
    return bad_request(fmt::format(
        "the name of the object ({}) does not match the name on the URL ({})", name, call.name));
  }
  return ok();
}

/// An object that asks for a uid asks for one that is there.
Status check_absent(const Call& call, View sent) {
  if (!call.subresource.empty()) {
    return not_found(qualified(*call.kind), call.name);
  }
  const auto uid = sent["metadata"]["uid"].string();
  if (!uid.empty()) {
    return conflict(qualified(*call.kind),
                    call.name,
                    fmt::format("uid mismatch: the provided object specified uid {}, and no "
                                "existing object was found",
                                uid));
  }
  return check_name(call, sent);
}

}  // namespace

Result<Plan> Planner::apply(const Call& call,
                            std::string_view json,
                            const client::WriteOptions& options) const {
  TRY(const auto sent, parse_configuration(json));
  TRY_STATUS(check_head(call, sent->root()));
  TRY(const auto applied, decode_applied(call, json));
  const auto snapshot = here_.store.snapshot();
  const auto old = snapshot.get(key_of(call));
  if (!old) {
    TRY_STATUS(check_absent(call, sent->root()));
  }
  DocumentPtr live;
  if (old) {
    live = old->document;
    if (const auto& stored = storage(*call.kind); &stored != call.kind) {
      TRY(live, converted(stored, *call.kind, live));
    }
  }
  TRY(auto merged, merge_configuration(call, live, applied.document, options.is_forced));
  if (manager_of(call) == kKubectl) {
    merged.document = with_last_applied(merged.document, sent->root());
  }
  auto as_merged = call;
  as_merged.field_validation = FieldValidation::ignore;  // the configuration was looked at
  TRY(auto body, decode(as_merged, merged.document->bytes()));
  body.resource_version = applied.resource_version;
  body.managed = std::move(merged.managed);
  if (!old) {
    return create_from(call, std::move(body), options);
  }
  return update_from(call, snapshot, *old, std::move(body), options, true);
}

Result<Body> Planner::decode_applied(const Call& call, std::string_view json) const {
  TRY(auto decoded, schema::decode_as_given(*call.kind, json, unknown_of(call.field_validation)));
  if (call.warnings != nullptr) {
    for (auto& text : decoded.warnings) {
      call.warnings->push_back(std::move(text));
    }
  }
  return Body{std::move(decoded.document), std::move(decoded.resource_version)};
}

Result<Planner::Merged> Planner::merge_configuration(const Call& call,
                                                     const DocumentPtr& live,
                                                     const DocumentPtr& applied,
                                                     bool is_forced) const {
  const View old = live == nullptr ? View() : live->root();
  const auto ignored = ignored_by(call);
  const schema::Manager manager{manager_of(call), call.subresource, format_time(here_.clock.now())};
  auto entries = object::stored_managed(old["metadata"]["managedFields"]);
  if (entries.empty() && old.exists()) {
    auto before = manager;
    before.name = kBeforeFirstApply;
    schema::own_update(entries, {here_.catalog, *call.kind, View(), old, ignored}, before);
  }
  schema::ApplyOptions how{is_forced};
  if (manager.name == kKubectl) {
    how.allowed = last_applied_fields(*call.kind, old);
  }
  TRY(auto document,
      schema::own_apply(
          entries, {here_.catalog, *call.kind, old, applied->root(), ignored}, manager, how));
  return Merged{std::move(document), object::print_managed(std::move(entries))};
}

Task<Result<Stored>> Engine::apply_configuration(Call call,
                                                 std::string body,
                                                 client::WriteOptions options) {
  auto json = object::json_of_yaml(body);
  if (!json.ok()) {
    co_return bad_request("error decoding patch: error converting YAML to JSON: " +
                          json.error().message);
  }
  if (call.subresource == "scale") {
    co_return co_await apply_scale(std::move(call), *std::move(json), std::move(options));
  }
  const auto plan = [&](const Call& asked) { return planner_.apply(asked, *json, options); };
  co_return co_await carry_out(call, [&] { return allowed(call, plan); });
}

}  // namespace tetrarch::registry
