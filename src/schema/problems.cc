// SPDX-License-Identifier: Apache-2.0
#include "schema/problems.h"

#include <fmt/format.h>

#include "object/names.h"

namespace tetrarch::schema {

namespace {

std::string printed(object::View value) {
  if (!value.exists()) {
    return "null";
  }
  return value.is_string() ? object::go_quoted(value.string()) : std::string{value.raw()};
}

}  // namespace

void Problems::add(std::string_view reason, std::string message, std::string path) {
  found_.push_back({std::string{reason}, std::move(message), std::move(path)});
}

void Problems::required(std::string path, std::string_view detail) {
  add("FieldValueRequired",
      detail.empty() ? "Required value" : fmt::format("Required value: {}", detail),
      std::move(path));
}

void Problems::invalid(std::string path, std::string_view value, std::string_view detail) {
  add("FieldValueInvalid",
      fmt::format("Invalid value: {}: {}", object::go_quoted(value), detail),
      std::move(path));
}

void Problems::invalid(std::string path, object::View value, std::string_view detail) {
  add("FieldValueInvalid",
      fmt::format("Invalid value: {}: {}", printed(value), detail),
      std::move(path));
}

void Problems::invalid_each(const std::string& path,
                            std::string_view value,
                            const std::vector<std::string>& details) {
  for (const auto& detail : details) {
    invalid(path, value, detail);
  }
}

void Problems::not_supported(std::string path,
                             std::string_view value,
                             const std::vector<std::string>& supported) {
  std::string list;
  for (const auto& each : supported) {
    list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", each);
  }
  add("FieldValueNotSupported",
      fmt::format("Unsupported value: {}: supported values: {}", object::go_quoted(value), list),
      std::move(path));
}

void Problems::not_found(std::string path, std::string_view value) {
  add("FieldValueNotFound",
      fmt::format("Not found: {}", object::go_quoted(value)),
      std::move(path));
}

void Problems::duplicate(std::string path, std::string_view value) {
  add("FieldValueDuplicate",
      fmt::format("Duplicate value: {}", object::go_quoted(value)),
      std::move(path));
}

void Problems::forbidden(std::string path, std::string_view detail) {
  add("FieldValueForbidden", fmt::format("Forbidden: {}", detail), std::move(path));
}

void Problems::too_long(std::string path, std::size_t bytes_max) {
  add("FieldValueTooLong",
      fmt::format("Too long: may not be more than {} bytes", bytes_max),
      std::move(path));
}

void Problems::too_many(std::string path, std::size_t count, std::size_t count_max) {
  add("FieldValueTooMany",
      fmt::format("Too many: {}: must have at most {} items", count, count_max),
      std::move(path));
}

std::string Site::at(std::string_view name) const {
  return join_path(path, name);
}

Site Site::child(std::string_view name) const {
  return {fresh[name], old[name], at(name)};
}

// These run for every object that is right, too, so they only copy bytes.

std::string join_path(std::string_view path, std::string_view child) {
  std::string out;
  out.reserve(path.size() + 1 + child.size());
  out += path;
  if (!path.empty()) {
    out += '.';
  }
  out += child;
  return out;
}

std::string index_path(std::string_view path, std::size_t index) {
  return key_path(path, std::to_string(index));
}

std::string key_path(std::string_view path, std::string_view key) {
  std::string out;
  out.reserve(path.size() + 2 + key.size());
  out += path;
  out += '[';
  out += key;
  out += ']';
  return out;
}

}  // namespace tetrarch::schema
