// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include "api/kubernetes/body.h"
#include "api/kubernetes/context.h"
#include "api/kubernetes/parameters.h"
#include "api/kubernetes/partial.h"
#include "api/kubernetes/table.h"

namespace tetrarch::api::kubernetes {
namespace {

constexpr std::string_view kJson = "application/json";
constexpr std::size_t kWarningsBytesMax =
    4096;  // Source: Kubernetes 1.19, KEP-1693: 4 KiB of warnings in all

/// `299 - "text"` with a quoted-string (RFC 9110 section 5.6.4).
std::string warning_value(std::string_view text) {
  std::string out = "299 - \"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
    }
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  }
  return out + "\"";
}

std::string partial_list(const Context& context, const client::ListPage& page) {
  std::string out = fmt::format(
      R"({{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/{}","metadata":{},)"
      R"("items":[)",
      context.representation.meta_version,
      list_metadata(page));
  bool is_first = true;
  for (const auto& item : page.items) {
    out += is_first ? "" : ",";
    is_first = false;
    append_partial(out, item, context.representation.meta_version);
  }
  return out + "]}\n";
}

}  // namespace

registry::Call Context::call() {
  registry::Call out;
  out.identity = identity;
  out.kind = kind;
  out.ns = match.ns;
  out.name = match.name;
  out.subresource = match.subresource;
  out.warnings = &warnings;
  return out;
}

Subject Context::subject() const {
  Subject out;
  out.group = match.group;
  out.resource = match.resource;
  out.kind = kind != nullptr ? kind->kind : "";
  out.name = match.name;
  return out;
}

net::Headers make_headers(Context& context,
                          std::string_view content_type,
                          std::string_view caching) {
  net::Headers out;
  if (!content_type.empty()) {
    out.add("Content-Type", std::string(content_type));
  }
  out.add("Cache-Control", caching.empty() ? "no-cache, private" : std::string(caching));
  std::size_t bytes = 0;
  for (const auto& warning : context.warnings) {
    auto value = warning_value(warning);
    bytes += value.size();
    if (bytes > kWarningsBytesMax) {
      break;
    }
    out.add("Warning", std::move(value));
  }
  return out;
}

Task<Status> respond_text(Context& context, int status, std::string_view type, std::string body) {
  context.answered = status;
  auto headers = make_headers(context, type);
  co_return co_await context.exchange.respond(status, std::move(headers), std::move(body));
}

Task<Status> respond_json(Context& context, int status, std::string body) {
  co_return co_await respond_text(context, status, kJson, std::move(body));
}

Task<Status> respond_error(Context& context, Error error) {
  auto subject = context.subject();
  if (subject.name.empty() && !context.request.body.empty() && context.kind != nullptr) {
    if (const auto parsed = object::Document::parse(context.request.body); parsed.ok()) {
      subject.name = (*parsed)->root().find("metadata.name").string();
    }
  }
  if (error.code == Code::unavailable && error.retry_after_s == 0) {
    error.retry_after_s = 1;  // clients then try again by themselves
  }
  const auto http = http_error(error.code);
  context.answered = http.status;
  auto headers = make_headers(context, kJson);
  if (error.retry_after_s > 0) {
    headers.add("Retry-After", std::to_string(error.retry_after_s));
  }
  auto body = failure_json(error, subject);
  co_return co_await context.exchange.respond(http.status, std::move(headers), std::move(body));
}

Task<Status> respond_refusal(Context& context, HttpError http, std::string message) {
  const Error error(Code::unsupported, std::move(message));
  auto body = failure_json(error, context.subject(), http);
  co_return co_await respond_json(context, http.status, std::move(body));
}

// Source: Kubernetes API reference v1.35, meta/v1 StatusReason NotFound and MethodNotAllowed; words
// as clients show them.
Task<Status> respond_not_found(Context& context) {
  const Error error(Code::not_found, "the server could not find the requested resource");
  auto body = failure_json(error, Subject{});
  co_return co_await respond_json(context, 404, std::move(body));
}

Task<Status> respond_method_not_allowed(Context& context) {
  constexpr HttpError kMethodNotAllowed{405, "MethodNotAllowed"};
  co_return co_await respond_refusal(
      context,
      kMethodNotAllowed,
      "the server does not allow this method on the requested resource");
}

Task<Status> respond_object(Context& context, int status, Stored object) {
  const auto kind = object.root()["kind"].string();
  // Answers that are no object of the kind (Status, Scale, TokenRequest) have no table or metadata
  // form.
  const bool is_of_kind = context.kind != nullptr && kind == context.kind->kind;
  if (is_of_kind && context.representation.form == Form::table) {
    CO_TRY(const auto include, include_object(context.request));
    const TableOptions options{
        *context.kind, context.representation.meta_version, include, context.parts.clock.now()};
    const std::vector<Stored> items{object};
    std::string metadata =
        R"({"resourceVersion":")" + std::to_string(object.revision.number) + "\"}";
    auto body = make_table(options, items, metadata, true) + "\n";
    co_return co_await respond_json(context, status, std::move(body));
  }
  if (is_of_kind && context.representation.form == Form::metadata) {
    std::string body;
    append_partial(body, object, context.representation.meta_version);
    co_return co_await respond_json(context, status, body + "\n");
  }
  context.answered = status;
  auto headers = make_headers(context, kJson);
  co_return co_await context.exchange.respond(status, std::move(headers), object_body(object));
}

Task<Status> respond_list(Context& context, client::ListPage page) {
  if (context.representation.form == Form::table) {
    CO_TRY(const auto include, include_object(context.request));
    const TableOptions options{
        *context.kind, context.representation.meta_version, include, context.parts.clock.now()};
    auto body = make_table(options, page.items, list_metadata(page), true) + "\n";
    co_return co_await respond_json(context, 200, std::move(body));
  }
  if (context.representation.form == Form::metadata) {
    co_return co_await respond_json(context, 200, partial_list(context, page));
  }
  context.answered = 200;
  auto headers = make_headers(context, kJson);
  auto body = list_body(context.kind->kind, context.kind->api_version(), std::move(page));
  co_return co_await context.exchange.respond(200, std::move(headers), std::move(body));
}

Status authorize_path(const Context& context) {
  registry::Attributes asked;
  asked.verb = context.request.method == "POST" ? "post" : "get";
  asked.path = context.request.path;
  return context.parts.registry.authorize(context.identity, asked);
}

}  // namespace tetrarch::api::kubernetes
