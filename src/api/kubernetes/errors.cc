// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/errors.h"

#include <fmt/core.h>

#include "base/check.h"
#include "base/utf8.h"
#include "object/writer.h"

namespace tetrarch::api::kubernetes {
namespace {

// Source: Kubernetes API conventions, "Response Status Kind" and "HTTP Status codes"; reasons as in
// meta/v1 StatusReason.
constexpr HttpError kBadRequest{400, "BadRequest"};
constexpr HttpError kUnauthorized{401, "Unauthorized"};
constexpr HttpError kForbidden{403, "Forbidden"};
constexpr HttpError kNotFound{404, "NotFound"};
constexpr HttpError kMethodNotAllowed{405, "MethodNotAllowed"};
constexpr HttpError kAlreadyExists{409, "AlreadyExists"};
constexpr HttpError kConflict{409, "Conflict"};
constexpr HttpError kExpired{410, "Expired"};
constexpr HttpError kTooLarge{413, "RequestEntityTooLarge"};
constexpr HttpError kInvalid{422, "Invalid"};
constexpr HttpError kTooManyRequests{429, "TooManyRequests"};
constexpr HttpError kInternal{500, "InternalError"};
constexpr HttpError kNotImplemented{501,
                                    "NotImplemented"};  // Ours: Kubernetes has no reason for this
constexpr HttpError kUnavailable{503, "ServiceUnavailable"};
constexpr HttpError kTimeout{504, "Timeout"};

std::string qualified(const Subject& subject) {
  return subject.group.empty() ? subject.kind : subject.kind + "." + subject.group;
}

/// The token with which an expired list goes on; not a cause, but metadata of the Status.
constexpr std::string_view kListContinue = "ListContinue";

std::string_view continue_token(const Error& error) {
  const bool has_token = !error.fields.empty() && error.fields.front().reason == kListContinue;
  return has_token ? std::string_view(error.fields.front().message) : std::string_view{};
}

void write_causes(object::Writer& out, const Error& error) {
  out.key("causes").begin_array();
  for (const auto& field : error.fields) {
    out.begin_object().field("reason", field.reason).field("message", to_utf8(field.message));
    if (!field.field.empty()) {
      out.field("field", field.field);
    }
    out.end_object();
  }
  out.end_array();
}

void write_details(object::Writer& out, const Error& error, const Subject& subject, bool by_kind) {
  out.key("details").begin_object();
  if (by_kind && error.fields.empty()) {
    // Seen: kubectl 1.35 prints "The pods "x" is invalid" and not the message where it has a name.
    out.end_object();
    return;
  }
  if (!subject.name.empty()) {
    out.field("name", subject.name);
  }
  if (!subject.group.empty()) {
    out.field("group", subject.group);
  }
  const auto& kind = by_kind ? subject.kind : subject.resource;
  if (!kind.empty()) {
    out.field("kind", kind);
  }
  if (!subject.uid.empty()) {
    out.field("uid", subject.uid);
  }
  if (!error.fields.empty() && continue_token(error).empty()) {
    write_causes(out, error);
  }
  if (error.retry_after_s > 0) {
    out.field("retryAfterSeconds", error.retry_after_s);
  }
  out.end_object();
}

}  // namespace

HttpError http_error(Code code) {
  switch (code) {
    case Code::invalid:
      return kInvalid;
    case Code::malformed:
      return kBadRequest;
    case Code::not_found:
      return kNotFound;
    case Code::already_exists:
      return kAlreadyExists;
    case Code::conflict:
    case Code::precondition:
      return kConflict;
    case Code::unauthenticated:
      return kUnauthorized;
    case Code::forbidden:
      return kForbidden;
    case Code::exhausted:
      return kTooManyRequests;
    case Code::too_large:
      return kTooLarge;
    case Code::expired:
      return kExpired;
    case Code::unsupported:
      return kMethodNotAllowed;
    case Code::unavailable:
      return kUnavailable;
    case Code::timeout:
    case Code::cancelled:
      return kTimeout;
    case Code::unimplemented:
      return kNotImplemented;
    case Code::internal:
      return kInternal;
  }
  CHECK(false);
}

std::string message_of(const Error& error, const Subject& subject) {
  if (error.fields.empty() || error.code != Code::invalid ||
      error.message.find(" is invalid: ") != std::string::npos) {
    return error.message;
  }
  const bool is_one = error.fields.size() == 1;
  auto out =
      fmt::format("{} \"{}\" is invalid: {}", qualified(subject), subject.name, is_one ? "" : "[");
  bool is_first = true;
  for (const auto& field : error.fields) {
    out += is_first ? "" : ", ";
    is_first = false;
    out += field.field.empty() ? field.message : field.field + ": " + field.message;
  }
  out += is_one ? "" : "]";
  return out;
}

std::string failure_json(const Error& error, const Subject& subject, HttpError replaced) {
  const auto http = replaced.status != 0 ? replaced : http_error(error.code);
  std::string out;
  object::Writer writer(out);
  writer.begin_object().field("kind", "Status").field("apiVersion", "v1");
  writer.key("metadata").begin_object();
  if (const auto token = continue_token(error); !token.empty()) {
    writer.field("continue", token);
  }
  writer.end_object();
  writer.field("status", "Failure")
      .field("message", to_utf8(message_of(error, subject)))
      .field("reason", http.reason);
  write_details(writer, error, subject, error.code == Code::invalid);
  writer.field("code", http.status).end_object();
  return out;
}

std::string success_json(const Subject& subject) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object().field("kind", "Status").field("apiVersion", "v1");
  writer.key("metadata").begin_object().end_object();
  writer.field("status", "Success");
  write_details(writer, Error{}, subject, false);
  writer.end_object();
  return out;
}

}  // namespace tetrarch::api::kubernetes
