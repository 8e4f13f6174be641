// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/parameters.h"

#include <charconv>

#include <fmt/core.h>

#include "api/kubernetes/negotiate.h"
#include "base/utf8.h"
#include "object/document.h"

namespace tetrarch::api::kubernetes {
namespace {

Result<std::int64_t> parse_int(std::string_view name, std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return Error{Code::malformed,
                 fmt::format("invalid value \"{}\" of parameter {}: not a number", text, name)};
  }
  return value;
}

/// Source: Kubernetes API reference v1.35, the messages of field.Forbidden and field.NotSupported.
Error invalid_option(std::string_view type, FieldError fault) {
  auto text =
      fmt::format("{}.meta.k8s.io \"\" is invalid: {}: {}", type, fault.field, fault.message);
  return {Code::invalid, std::move(text), {std::move(fault)}};
}

Error forbidden(std::string_view type, std::string_view field, std::string_view why) {
  return invalid_option(
      type, {"FieldValueForbidden", fmt::format("Forbidden: {}", why), std::string(field)});
}

Error unsupported_value(std::string_view type,
                        std::string_view field,
                        std::string_view value,
                        std::string_view choices) {
  auto message = fmt::format("Unsupported value: \"{}\": supported values: {}", value, choices);
  return invalid_option(type, {"FieldValueNotSupported", std::move(message), std::string(field)});
}

/// Source: Kubernetes API Concepts, "Resource versions" and "Streaming lists", the tables of
/// allowed combinations.
Status check_versions(const ListParameters& all) {
  constexpr std::string_view kType = "ListOptions";
  const auto& at = all.list.at;
  const bool has_initial = all.sends_initial_events.has_value();
  if (!at.match.empty() && at.match != "Exact" && at.match != "NotOlderThan") {
    return unsupported_value(
        kType, "resourceVersionMatch", at.match, R"("Exact", "NotOlderThan", "")");
  }
  if (has_initial && !all.is_watch) {
    return forbidden(kType, "sendInitialEvents", "sendInitialEvents is forbidden for list");
  }
  if (has_initial && at.match != "NotOlderThan") {
    return forbidden(kType,
                     "resourceVersionMatch",
                     "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
  }
  if (all.is_watch && !has_initial && !at.match.empty()) {
    return forbidden(
        kType,
        "resourceVersionMatch",
        "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
  }
  if (!all.is_watch && !at.match.empty()) {
    if (at.resource_version.empty()) {
      return forbidden(kType,
                       "resourceVersionMatch",
                       "resourceVersionMatch is forbidden unless resourceVersion is provided");
    }
    if (!all.list.continue_token.empty()) {
      return forbidden(kType,
                       "resourceVersionMatch",
                       "resourceVersionMatch is forbidden when continue is provided");
    }
    if (at.match == "Exact" && at.resource_version == "0") {
      return forbidden(kType,
                       "resourceVersionMatch",
                       "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
    }
  }
  return ok();
}

Result<bool> dry_run(const std::vector<std::string>& values, std::string_view type) {
  bool out = false;
  for (const auto& value : values) {
    if (value != "All") {
      return unsupported_value(type, "dryRun", value, "\"All\"");
    }
    out = true;
  }
  return out;
}

constexpr std::size_t kManagerMax = 128;  // Source: Kubernetes API reference v1.35, fieldManager

/// The bytes of the printable character at the front; 0: there is none. Ours: beyond ASCII whatever
/// is well formed and no control character counts as printable.
std::size_t printable_size(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  if (first < 0x80) {
    return first >= 0x20 && first != 0x7f ? 1 : 0;
  }
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  const auto character = text.substr(0, size);
  const bool is_control = first == 0xc2 && size <= text.size() &&
                          static_cast<unsigned char>(text[1]) < 0xa0;  // U+0080 to U+009F
  return to_utf8(character) == character && character.size() == size && !is_control ? size : 0;
}

Status check_manager(std::string_view options, std::string_view manager) {
  if (manager.size() > kManagerMax) {
    return invalid_option(options,
                          {"FieldValueTooLong",
                           fmt::format("Too long: may not be more than {} bytes", kManagerMax),
                           "fieldManager"});
  }
  for (std::size_t at = 0; at < manager.size();) {
    const auto size = printable_size(manager.substr(at));
    if (size == 0) {
      return invalid_option(
          options,
          {"FieldValueInvalid",
           fmt::format("Invalid value: \"{}\": invalid character U+{:04X} (at position {})",
                       to_utf8(manager),
                       static_cast<unsigned>(static_cast<unsigned char>(manager[at])),
                       at),
           "fieldManager"});
    }
    at += size;
  }
  return ok();
}

Result<registry::FieldValidation> field_validation(std::string_view options,
                                                   std::string_view word) {
  if (word.empty() || word == "Warn") {
    return registry::FieldValidation::warn;
  }
  if (word == "Strict") {
    return registry::FieldValidation::strict;
  }
  if (word == "Ignore") {
    return registry::FieldValidation::ignore;
  }
  return unsupported_value(
      options, "fieldValidation", word, "\"\", \"Ignore\", \"Strict\", \"Warn\"");
}

Result<client::Propagation> propagation(std::string_view word) {
  if (word.empty()) {
    return client::Propagation::unset;
  }
  if (word == "Background") {
    return client::Propagation::background;
  }
  if (word == "Foreground") {
    return client::Propagation::foreground;
  }
  if (word == "Orphan") {
    return client::Propagation::orphan;
  }
  return unsupported_value("DeleteOptions",
                           "propagationPolicy",
                           word,
                           "\"Foreground\", \"Background\", \"Orphan\", \"nil\"");
}

std::optional<bool> orphan_of(object::View root) {
  const auto orphan = root["orphanDependents"];
  return orphan ? std::optional(orphan.boolean()) : std::nullopt;
}

/// The policy, or the older flag for the same; a body's word wins over the query's.
Status read_propagation(std::string_view policy,
                        std::optional<bool> is_orphan,
                        client::DeleteOptions& out) {
  if (!policy.empty() && is_orphan) {
    auto message = fmt::format(
        "Invalid value: \"{}\": orphanDependents and deletionPropagation cannot be both set",
        policy);
    return Error{Code::invalid,
                 "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: " + message,
                 {{"FieldValueInvalid", message, "propagationPolicy"}}};
  }
  if (!policy.empty()) {
    TRY(out.propagation, propagation(policy));
  } else if (is_orphan) {
    out.propagation = *is_orphan ? client::Propagation::orphan : client::Propagation::background;
  }
  return ok();
}

Status read_delete_body(const net::Request& request, client::DeleteOptions& out) {
  auto parsed = object::Document::parse(request.body);
  if (!parsed.ok() || !(*parsed)->root().is_object()) {
    return Error{
        Code::malformed,
        "couldn't get version/kind; json parse error: the body is no DeleteOptions object"};
  }
  const auto root = (*parsed)->root();
  const auto kind = root["kind"].string("DeleteOptions");
  if (kind != "DeleteOptions") {
    return Error{Code::malformed,
                 fmt::format("the body of a delete request is no {}, but DeleteOptions", kind)};
  }
  if (const auto grace = root["gracePeriodSeconds"]) {
    if (!grace.is_number()) {
      return Error{Code::malformed, "DeleteOptions.gracePeriodSeconds must be a number"};
    }
    out.grace_seconds = grace.integer();
  }
  TRY_STATUS(read_propagation(root["propagationPolicy"].string(), orphan_of(root), out));
  std::vector<std::string> words;
  for (const auto word : root["dryRun"].elements()) {
    words.emplace_back(word.string());
  }
  TRY(const bool is_dry, dry_run(words, "DeleteOptions"));
  out.is_dry_run = out.is_dry_run || is_dry;
  const auto preconditions = root["preconditions"];
  out.expected_uid = preconditions["uid"].string();
  if (const auto version = preconditions["resourceVersion"].string(); !version.empty()) {
    TRY(const auto number, parse_int("preconditions.resourceVersion", version));
    out.expected = Revision{static_cast<std::uint64_t>(number)};
  }
  return ok();
}

}  // namespace

std::string text_parameter(const net::Request& request, std::string_view name) {
  return request.parameter(name).value_or("");
}

// Source: apimachinery v0.35, pkg/runtime, Convert_Slice_string_To_bool.
bool bool_parameter(const net::Request& request, std::string_view name) {
  const auto text = request.parameter(name);
  return text && *text != "0" && !net::equals_ignoring_case(*text, "false");
}

Result<std::optional<std::int64_t>> int_parameter(const net::Request& request,
                                                  std::string_view name) {
  const auto text = text_parameter(request, name);
  if (text.empty()) {
    return std::optional<std::int64_t>{};
  }
  TRY(const auto value, parse_int(name, text));
  return std::optional<std::int64_t>{value};
}

Result<ListParameters> list_parameters(const net::Request& request) {
  ListParameters out;
  out.list.select.labels = text_parameter(request, "labelSelector");
  out.list.select.fields = text_parameter(request, "fieldSelector");
  out.list.at.resource_version = text_parameter(request, "resourceVersion");
  out.list.at.match = text_parameter(request, "resourceVersionMatch");
  out.list.continue_token = text_parameter(request, "continue");
  TRY(const auto limit, int_parameter(request, "limit"));
  out.list.limit = limit.value_or(0) > 0 ? static_cast<std::size_t>(*limit) : 0;
  out.is_watch = bool_parameter(request, "watch");
  out.wants_bookmarks = bool_parameter(request, "allowWatchBookmarks");
  if (request.parameter("sendInitialEvents")) {
    out.sends_initial_events = bool_parameter(request, "sendInitialEvents");
  }
  TRY(out.timeout_s, int_parameter(request, "timeoutSeconds"));
  TRY_STATUS(check_versions(out));
  return out;
}

Result<WriteParameters> write_parameters(const net::Request& request, std::string_view options) {
  WriteParameters out;
  out.options.field_manager = text_parameter(request, "fieldManager");
  TRY_STATUS(check_manager(options, out.options.field_manager));
  TRY(out.options.is_dry_run, dry_run(request.parameters("dryRun"), options));
  TRY(out.field_validation, field_validation(options, text_parameter(request, "fieldValidation")));
  return out;
}

// Source: apimachinery v0.35, apis/meta/v1/validation, ValidatePatchOptions.
Result<WriteParameters> patch_parameters(const net::Request& request, client::PatchType type) {
  constexpr std::string_view kOptions = "PatchOptions";
  const bool is_forced = bool_parameter(request, "force");
  if (type != client::PatchType::apply && request.parameter("force")) {
    return forbidden(kOptions, "force", "may not be specified for non-apply patch");
  }
  if (type == client::PatchType::apply && text_parameter(request, "fieldManager").empty()) {
    return invalid_option(
        kOptions,
        {"FieldValueRequired", "Required value: is required for apply patch", "fieldManager"});
  }
  TRY(auto out, write_parameters(request, kOptions));
  out.options.is_forced = is_forced;
  return out;
}

// Source: apiserver v0.35, endpoints/handlers, prefixFromUserAgent.
std::string printable_manager(std::string_view agent) {
  std::string out;
  for (std::size_t at = 0; at < agent.size();) {
    const auto size = printable_size(agent.substr(at));
    if (size == 0) {
      ++at;
      continue;
    }
    if (out.size() + size > kManagerMax) {
      break;
    }
    out += agent.substr(at, size);
    at += size;
  }
  return out;
}

Result<client::DeleteOptions> delete_parameters(const net::Request& request) {
  client::DeleteOptions out;
  TRY(out.is_dry_run, dry_run(request.parameters("dryRun"), "DeleteOptions"));
  TRY(out.grace_seconds, int_parameter(request, "gracePeriodSeconds"));
  std::optional<bool> is_orphan;
  if (request.parameter("orphanDependents")) {
    is_orphan = bool_parameter(request, "orphanDependents");
  }
  TRY_STATUS(read_propagation(text_parameter(request, "propagationPolicy"), is_orphan, out));
  if (!request.body.empty()) {
    TRY_STATUS(read_delete_body(request, out));
  }
  if (out.grace_seconds && *out.grace_seconds < 0) {
    out.grace_seconds =
        1;  // Source: Kubernetes API reference v1.35, DeleteOptions: negative means 1 second
  }
  return out;
}

Result<IncludeObject> include_object(const net::Request& request) {
  const auto word = text_parameter(request, "includeObject");
  if (word.empty() || word == "Metadata") {
    return IncludeObject::metadata;
  }
  if (word == "None") {
    return IncludeObject::none;
  }
  if (word == "Object") {
    return IncludeObject::object;
  }
  return unsupported_value(
      "TableOptions", "includeObject", word, "\"Metadata\", \"None\", \"Object\"");
}

}  // namespace tetrarch::api::kubernetes
