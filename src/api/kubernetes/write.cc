// SPDX-License-Identifier: Apache-2.0
// create, update, patch, delete and deletecollection.
#include <array>
#include <optional>

#include <fmt/core.h>

#include "api/kubernetes/negotiate.h"
#include "api/kubernetes/parameters.h"
#include "api/kubernetes/serve.h"
#include "object/yaml.h"
#include "schema/protobuf.h"

namespace tetrarch::api::kubernetes {
namespace {

constexpr HttpError kUnsupportedMediaType{415, "UnsupportedMediaType"};

/// Source: Kubernetes API Concepts, "Media types"; the sentence is what clients of 1.20 to 1.35
/// show.
std::string media_message(std::string_view accepted) {
  return fmt::format(
      "the body of the request was in an unknown format - accepted media types include: {}",
      accepted);
}

constexpr std::string_view kProtobuf = "application/vnd.kubernetes.protobuf";

constexpr std::string_view kYaml = "application/yaml";

bool is_served_body(const net::Request& request) {
  const auto type = media_type(request.headers.get("Content-Type"));
  return type.empty() || type == "application/json" || type == kYaml || type == kProtobuf ||
         request.body.empty();
}

/// Makes JSON of a protobuf or YAML body: all that follows knows only that.
/// Source: Kubernetes API Concepts, "Kubernetes Protobuf encoding".
Status make_json_body(Context& context) {
  auto& request = context.request;
  const auto type = media_type(request.headers.get("Content-Type"));
  if (!request.body.empty() && type == kProtobuf) {
    TRY(request.body, schema::json_of_protobuf(context.parts.catalog, request.body));
    if (context.audit != nullptr) {
      context.audit->note_request(request.body);
    }
  } else if (!request.body.empty() && type == kYaml) {
    auto json = object::json_of_yaml(request.body);
    if (!json.ok()) {
      return Error{Code::malformed, "error converting YAML to JSON: " + json.error().message};
    }
    request.body = *std::move(json);
  }
  return ok();
}

Task<Status> refuse_body(Context& context) {
  auto message =
      media_message("application/json, application/yaml, application/vnd.kubernetes.protobuf");
  co_return co_await respond_refusal(context, kUnsupportedMediaType, std::move(message));
}

struct PatchMedia {
  std::string_view media;
  client::PatchType type;
};

// Source: Kubernetes API Concepts, "Patch": media types of the patch verb.
constexpr auto kPatchMedia = std::to_array<PatchMedia>({
    {"application/json-patch+json", client::PatchType::json},
    {"application/merge-patch+json", client::PatchType::merge},
    {"application/strategic-merge-patch+json", client::PatchType::strategic},
    {"application/apply-patch+yaml", client::PatchType::apply},
});

std::optional<client::PatchType> patch_type(std::string_view media) {
  for (const auto& row : kPatchMedia) {
    if (row.media == media) {
      return row.type;
    }
  }
  return std::nullopt;
}

/// The manager that a client does not name is its user agent up to the slash.
std::string manager_of(const net::Request& request) {
  const auto agent = request.headers.get("User-Agent");
  return printable_manager(agent.substr(0, agent.find('/')));
}

registry::Call write_call(Context& context, WriteParameters& parameters) {
  if (parameters.options.field_manager.empty()) {
    parameters.options.field_manager = manager_of(context.request);
  }
  parameters.options.subresource = context.match.subresource;
  auto call = context.call();
  call.field_manager = parameters.options.field_manager;
  call.field_validation = parameters.field_validation;
  call.is_dry_run = parameters.options.is_dry_run;
  return call;
}

/// Ours as in Kubernetes: a pod's answer is the pod, whether or not it went at once.
bool answers_with_object(const Context& context, const Stored& object) {
  return context.match.resource == "pods" || object.metadata()["deletionTimestamp"].exists();
}

}  // namespace

Task<Status> serve_create(Context& context) {
  if (!is_served_body(context.request)) {
    co_return co_await refuse_body(context);
  }
  CO_TRY_STATUS(make_json_body(context));
  CO_TRY(auto parameters, write_parameters(context.request));
  auto call = write_call(context, parameters);
  CO_TRY(auto object,
         co_await context.parts.registry.create(
             std::move(call), context.request.body, std::move(parameters.options)));
  const auto& sub = context.match.subresource;
  if (sub == "binding" || sub == "eviction" || context.match.resource == "bindings") {
    // Source: Kubernetes API reference v1.35, create Binding and create Eviction: clients expect a
    // Status.
    auto body = success_json(Subject{});
    co_return co_await respond_json(context, 201, std::move(body));
  }
  co_return co_await respond_object(context, 201, std::move(object));
}

Task<Status> serve_update(Context& context) {
  if (!is_served_body(context.request)) {
    co_return co_await refuse_body(context);
  }
  CO_TRY_STATUS(make_json_body(context));
  CO_TRY(auto parameters, write_parameters(context.request));
  auto call = write_call(context, parameters);
  bool was_created = false;
  call.was_created = &was_created;
  CO_TRY(auto object,
         co_await context.parts.registry.update(
             std::move(call), context.request.body, std::move(parameters.options)));
  co_return co_await respond_object(context, was_created ? 201 : 200, std::move(object));
}

Task<Status> serve_patch(Context& context) {
  const auto media = media_type(context.request.headers.get("Content-Type"));
  const auto type = patch_type(media);
  if (!type) {
    auto message = media_message(
        "application/json-patch+json, application/merge-patch+json, "
        "application/strategic-merge-patch+json, application/apply-patch+yaml");
    co_return co_await respond_refusal(context, kUnsupportedMediaType, std::move(message));
  }
  CO_TRY(auto parameters, patch_parameters(context.request, *type));
  auto call = write_call(context, parameters);
  bool was_created = false;
  call.was_created = &was_created;
  CO_TRY(auto object,
         co_await context.parts.registry.patch(
             std::move(call), *type, context.request.body, std::move(parameters.options)));
  co_return co_await respond_object(context, was_created ? 201 : 200, std::move(object));
}

Task<Status> serve_delete(Context& context) {
  if (!is_served_body(context.request)) {
    co_return co_await refuse_body(context);
  }
  CO_TRY_STATUS(make_json_body(context));
  CO_TRY(auto options, delete_parameters(context.request));
  auto call = context.call();
  call.is_dry_run = options.is_dry_run;
  const bool awaits_dependents = options.propagation == client::Propagation::foreground;
  CO_TRY(auto object, co_await context.parts.registry.remove(std::move(call), std::move(options)));
  if (answers_with_object(context, object)) {
    const bool is_ending = object.metadata()["deletionTimestamp"].exists();
    // Source: Kubernetes API reference v1.35, delete: 202 where the caller asked to be told of the
    // dependents.
    const int status = is_ending && awaits_dependents ? 202 : 200;
    co_return co_await respond_object(context, status, std::move(object));
  }
  auto subject = context.subject();
  subject.uid = object.uid();
  auto body = success_json(subject);
  co_return co_await respond_json(context, 200, std::move(body));
}

Task<Status> serve_delete_collection(Context& context) {
  if (!is_served_body(context.request)) {
    co_return co_await refuse_body(context);
  }
  CO_TRY_STATUS(make_json_body(context));
  CO_TRY(auto parameters, list_parameters(context.request));
  CO_TRY(auto options, delete_parameters(context.request));
  auto call = context.call();
  call.is_dry_run = options.is_dry_run;
  CO_TRY(auto page,
         co_await context.parts.registry.remove_collection(
             std::move(call), std::move(parameters.list), std::move(options)));
  co_return co_await respond_list(context, std::move(page));
}

}  // namespace tetrarch::api::kubernetes
