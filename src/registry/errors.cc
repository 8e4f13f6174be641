// SPDX-License-Identifier: Apache-2.0
#include "registry/errors.h"

#include <utility>

#include <fmt/format.h>

namespace tetrarch::registry {

// Source: Kubernetes API conventions, "Response Status Kind", and the texts that kubectl 1.35
// prints for each reason.

std::string qualified(const schema::Kind& kind) {
  return kind.group.empty() ? kind.plural : kind.plural + "." + kind.group;
}

std::string qualified_kind(const schema::Kind& kind) {
  return kind.group.empty() ? kind.kind : kind.kind + "." + kind.group;
}

Error not_found(std::string_view qualified, std::string_view name) {
  return {Code::not_found, fmt::format("{} \"{}\" not found", qualified, name)};
}

Error already_exists(std::string_view qualified, std::string_view name) {
  return {Code::already_exists, fmt::format("{} \"{}\" already exists", qualified, name)};
}

Error conflict(std::string_view qualified, std::string_view name, std::string_view reason) {
  return {Code::conflict,
          fmt::format("Operation cannot be fulfilled on {} \"{}\": {}", qualified, name, reason)};
}

Error modified(std::string_view qualified, std::string_view name) {
  return conflict(qualified,
                  name,
                  "the object has been modified; please apply your changes to the latest version "
                  "and try again");
}

Error forbidden(std::string_view qualified, std::string_view name, std::string_view reason) {
  return {Code::forbidden,
          name.empty() ? fmt::format("{} is forbidden: {}", qualified, reason)
                       : fmt::format("{} \"{}\" is forbidden: {}", qualified, name, reason)};
}

Error bad_request(std::string text) {
  return {Code::malformed, std::move(text)};
}

Error invalid(std::string_view qualified_kind, std::string_view name, FieldErrors fields) {
  std::string what;
  for (const auto& each : fields) {
    what += what.empty() ? "" : ", ";
    what += each.field.empty() ? each.message : each.field + ": " + each.message;
  }
  if (fields.size() > 1) {
    what = "[" + what + "]";
  }
  return {Code::invalid,
          fmt::format("{} \"{}\" is invalid: {}", qualified_kind, name, what),
          std::move(fields)};
}

FieldError required(std::string field, std::string_view detail) {
  return {"FieldValueRequired",
          detail.empty() ? "Required value" : fmt::format("Required value: {}", detail),
          std::move(field)};
}

FieldError invalid_value(std::string field, std::string_view value, std::string_view detail) {
  return {
      "FieldValueInvalid", fmt::format("Invalid value: {}: {}", value, detail), std::move(field)};
}

FieldError invalid_text(std::string field, std::string_view text, std::string_view detail) {
  return invalid_value(std::move(field), fmt::format("\"{}\"", text), detail);
}

FieldError forbidden_field(std::string field, std::string_view detail) {
  return {"FieldValueForbidden", fmt::format("Forbidden: {}", detail), std::move(field)};
}

FieldError not_supported(std::string field,
                         std::string_view text,
                         const std::vector<std::string_view>& choices) {
  std::string list;
  for (const auto choice : choices) {
    list += list.empty() ? "" : ", ";
    list += fmt::format("\"{}\"", choice);
  }
  return {"FieldValueNotSupported",
          fmt::format("Unsupported value: \"{}\": supported values: {}", text, list),
          std::move(field)};
}

FieldError duplicate(std::string field, std::string_view text) {
  return {"FieldValueDuplicate", fmt::format("Duplicate value: \"{}\"", text), std::move(field)};
}

FieldError too_long(std::string field, std::string_view detail) {
  return {"FieldValueTooLong", fmt::format("Too long: {}", detail), std::move(field)};
}

FieldError not_found_value(std::string field, std::string_view text) {
  return {"FieldValueNotFound", fmt::format("Not found: \"{}\"", text), std::move(field)};
}

}  // namespace tetrarch::registry
