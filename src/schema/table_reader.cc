// SPDX-License-Identifier: Apache-2.0
#include "schema/table_reader.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include <fmt/format.h>

#include "schema/table_line.h"

namespace tetrarch::schema {

namespace {

constexpr std::string_view kMetaPackage = "io.k8s.apimachinery.pkg.apis.meta.v1";
constexpr std::string_view kCorePackage = "io.k8s.api.core.v1";

constexpr std::pair<std::string_view, Shape> kScalars[] = {
    {"string", Shape::string},
    {"boolean", Shape::boolean},
    {"int32", Shape::int32},
    {"int64", Shape::int64},
    {"number", Shape::number},
    {"bytes", Shape::bytes},
    {"time", Shape::time},
    {"micro_time", Shape::micro_time},
    {"quantity", Shape::quantity},
    {"int_or_string", Shape::int_or_string},
    {"any", Shape::any},
};

/// A type text that is resolved once all files are read.
struct PendingRef {
  Type* type;
  std::size_t field;
  std::string text;
  std::string package;
  std::string place;
};

struct PendingKind {
  Kind* kind;
  std::string doc;
  std::string package;
  std::string place;
};

class Reader {
 public:
  Status read_file(const std::string& name, std::string_view text);
  Status resolve();

  Tables take() { return std::move(tables_); }

 private:
  Error error(std::string_view text) const {
    return {Code::invalid, fmt::format("{}: {}", place_, text)};
  }

  Status read_line(const TableLine& line);
  Status read_kind(const TableLine& line);
  Status read_kind_word(Kind& kind, std::string_view word);
  Status read_type(const TableLine& line);
  Status read_kind_member(const TableLine& line);
  Status read_column(const TableLine& line);
  Status read_field(const TableLine& line);
  Status read_attribute(Field& field, std::string_view word);
  Status read_list_type(Field& field, std::string_view text);
  Result<std::int64_t> number(std::string_view text) const;
  Result<TypeRef> type_ref(std::string_view text,
                           const std::string& package,
                           const std::string& place) const;
  const Type* find_type(std::string_view name, const std::string& package) const;

  Tables tables_;
  std::map<std::string, Type*, std::less<>> types_by_name_;
  std::vector<PendingRef> refs_;
  std::vector<PendingKind> kinds_;
  std::string package_;
  std::string group_;
  std::string place_;
  Kind* kind_ = nullptr;
  Type* type_ = nullptr;
};

Status Reader::read_file(const std::string& name, std::string_view text) {
  const auto base = name.substr(name.find_last_of('/') + 1);
  group_ = base.substr(0, base.find_first_of("_."));
  package_.clear();
  kind_ = nullptr;
  type_ = nullptr;
  std::size_t number = 0;
  while (!text.empty()) {
    const auto end = text.find('\n');
    place_ = fmt::format("{}:{}", name, ++number);
    TRY_STATUS(read_line(split_table_line(text.substr(0, end))));
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  return ok();
}

Status Reader::read_line(const TableLine& line) {
  if (line.words.empty()) {
    return ok();
  }
  if (line.is_indented) {
    if (type_ != nullptr) {
      return read_field(line);
    }
    if (kind_ != nullptr) {
      return read_kind_member(line);
    }
    return error("an indented line belongs to a kind or a type");
  }
  kind_ = nullptr;
  type_ = nullptr;
  if (line.words[0] == "package" && line.words.size() == 2) {
    package_ = line.words[1];
    return ok();
  }
  if (package_.empty()) {
    return error("the file must begin with: package <name>");
  }
  if (line.words[0] == "kind") {
    return read_kind(line);
  }
  if (line.words[0] == "type") {
    return read_type(line);
  }
  return error(fmt::format("\"{}\" is neither package, kind nor type", line.words[0]));
}

Status Reader::read_kind(const TableLine& line) {
  if (line.words.size() < 4) {
    return error("expected: kind <Name> <group/version> namespaced|cluster [attributes]");
  }
  auto kind = std::make_unique<Kind>();
  kind->kind = line.words[1];
  const auto& group_version = line.words[2];
  const auto slash = group_version.find('/');
  kind->group = slash == group_version.npos ? "" : group_version.substr(0, slash);
  kind->version = slash == group_version.npos ? group_version : group_version.substr(slash + 1);
  kind->name_format = "dns-subdomain";
  kind->verbs = {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"};
  for (const char c : kind->kind) {
    kind->singular += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  if (line.words[3] != "namespaced" && line.words[3] != "cluster") {
    return error("a kind is namespaced or cluster");
  }
  kind->is_namespaced = line.words[3] == "namespaced";
  for (std::size_t i = 4; i < line.words.size(); ++i) {
    TRY_STATUS(read_kind_word(*kind, line.words[i]));
  }
  if (kind->resource.empty()) {
    kind->resource = kind->group.empty() ? kind->plural : kind->plural + "." + kind->group;
  }
  kind_ = kind.get();
  kinds_.push_back({kind_, line.doc, package_, place_});
  tables_.kinds.push_back(std::move(kind));
  return ok();
}

Status Reader::read_kind_word(Kind& kind, std::string_view word) {
  const auto equals = word.find('=');
  const auto key = word.substr(0, equals);
  const std::string value{equals == word.npos ? "" : word.substr(equals + 1)};
  if (key == "plural") {
    kind.plural = value;
  } else if (key == "singular") {
    kind.singular = value;
  } else if (key == "short") {
    kind.short_names = split_list(value, ',');
  } else if (key == "categories") {
    kind.categories = split_list(value, ',');
  } else if (key == "names") {
    kind.name_format = value;
  } else if (key == "any-group") {
    kind.is_of_any_group = true;
  } else if (key == "stored") {
    kind.resource = value;
    kind.is_storage_version = false;
  } else {
    return error(fmt::format("a kind has no attribute \"{}\"", key));
  }
  return ok();
}

Status Reader::read_kind_member(const TableLine& line) {
  const std::vector<std::string> rest{line.words.begin() + 1, line.words.end()};
  if (line.words[0] == "subresources") {
    kind_->subresources = rest;
  } else if (line.words[0] == "verbs") {
    kind_->verbs = rest;
  } else if (line.words[0] == "column") {
    return read_column(line);
  } else {
    return error(
        fmt::format("a kind has subresources, verbs and columns, not \"{}\"", line.words[0]));
  }
  return ok();
}

Status Reader::read_column(const TableLine& line) {
  if (line.words.size() < 4) {
    return error("expected: column <Name> <type> <source> [format=…] [wide]");
  }
  Column column;
  column.name = unquoted(line.words[1]);
  column.type = line.words[2];
  column.source = unquoted(line.words[3]);
  column.doc = line.doc;
  for (std::size_t i = 4; i < line.words.size(); ++i) {
    const auto& word = line.words[i];
    if (word == "wide") {
      column.priority = 1;
    } else if (word.starts_with("format=")) {
      column.format = word.substr(7);
    } else {
      return error(fmt::format("a column has no attribute \"{}\"", word));
    }
  }
  kind_->columns.push_back(std::move(column));
  return ok();
}

Status Reader::read_type(const TableLine& line) {
  if (line.words.size() < 2) {
    return error("expected: type <Name> [atomic]");
  }
  auto type = std::make_unique<Type>();
  type->name = line.words[1];
  type->full_name = package_ + "." + type->name;
  type->group = group_;
  type->doc = line.doc;
  type->is_atomic = line.words.size() == 3 && line.words[2] == "atomic";
  if (line.words.size() > (type->is_atomic ? 3U : 2U)) {
    return error("a type has no attribute but atomic");
  }
  if (!types_by_name_.emplace(type->full_name, type.get()).second) {
    return error(fmt::format("type {} is there twice", type->full_name));
  }
  type_ = type.get();
  tables_.types.push_back(std::move(type));
  return ok();
}

Status Reader::read_field(const TableLine& line) {
  if (line.words.size() < 2) {
    return error("expected: <field> <type> [= <default>] [attributes]");
  }
  Field field;
  field.name = line.words[0];
  field.doc = line.doc;
  std::size_t next = 2;
  if (line.words.size() > 3 && line.words[2] == "=") {
    field.default_json = line.words[3];
    next = 4;
  }
  for (; next < line.words.size(); ++next) {
    TRY_STATUS(read_attribute(field, line.words[next]));
  }
  const auto is_same = [&](const Field& other) { return other.name == field.name; };
  if (std::any_of(type_->fields.begin(), type_->fields.end(), is_same)) {
    return error(fmt::format("field {} is there twice", field.name));
  }
  refs_.push_back({type_, type_->fields.size(), line.words[1], package_, place_});
  type_->fields.push_back(std::move(field));
  return ok();
}

Status Reader::read_attribute(Field& field, std::string_view word) {
  const auto equals = word.find('=');
  const auto key = word.substr(0, equals);
  const std::string value{equals == word.npos ? "" : word.substr(equals + 1)};
  if (word == "required") {
    field.is_required = true;
  } else if (word == "expected") {
    field.is_expected = true;
  } else if (word == "immutable") {
    field.is_immutable = true;
  } else if (word == "zero-is-unset") {
    field.is_zero_unset = true;
  } else if (word == "unique") {
    field.is_unique = true;
  } else if (word == "write-only") {
    field.is_write_only = true;
  } else if (word == "atomic-map") {
    field.is_atomic_map = true;
  } else if (word == "granular-map") {
    field.is_granular_map = true;
  } else if (key == "min") {
    TRY(field.min, number(value));
  } else if (key == "max") {
    TRY(field.max, number(value));
  } else if (key == "choices") {
    field.choices = split_list(value, ',');
  } else if (key == "format") {
    field.format = value;
  } else if (key == "key") {
    field.patch_merge_key = value;
  } else if (key == "patch") {
    field.patch_strategy = value;
  } else if (key == "list") {
    return read_list_type(field, value);
  } else {
    return error(fmt::format("a field has no attribute \"{}\"", word));
  }
  return ok();
}

Status Reader::read_list_type(Field& field, std::string_view text) {
  if (text == "atomic") {
    field.list_type = ListType::atomic;
  } else if (text == "set") {
    field.list_type = ListType::set;
  } else if (text.starts_with("map(") && text.ends_with(")")) {
    field.list_type = ListType::map;
    field.list_map_keys = split_list(text.substr(4, text.size() - 5), ',');
  } else {
    return error("a list is atomic, set or map(<keys>)");
  }
  return ok();
}

Result<std::int64_t> Reader::number(std::string_view text) const {
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size()) {
    return error(fmt::format("\"{}\" is no whole number", text));
  }
  return value;
}

const Type* Reader::find_type(std::string_view name, const std::string& package) const {
  for (const auto home :
       {std::string_view{package}, kMetaPackage, kCorePackage, std::string_view{}}) {
    const auto full = home.empty() ? std::string{name} : fmt::format("{}.{}", home, name);
    if (const auto at = types_by_name_.find(full); at != types_by_name_.end()) {
      return at->second;
    }
  }
  return nullptr;
}

Result<TypeRef> Reader::type_ref(std::string_view text,
                                 const std::string& package,
                                 const std::string& place) const {
  for (const auto& [prefix, shape] :
       {std::pair{std::string_view{"[]"}, Shape::list}, {"map[string]", Shape::map}}) {
    if (text.starts_with(prefix)) {
      TRY(auto element, type_ref(text.substr(prefix.size()), package, place));
      return TypeRef{shape, nullptr, std::make_unique<TypeRef>(std::move(element))};
    }
  }
  for (const auto& [name, shape] : kScalars) {
    if (text == name) {
      return TypeRef{shape};
    }
  }
  const Type* type = find_type(text, package);
  if (type == nullptr) {
    return Error{Code::invalid, fmt::format("{}: there is no type {}", place, text)};
  }
  return TypeRef{Shape::object, type};
}

Status Reader::resolve() {
  for (const auto& pending : refs_) {
    TRY(pending.type->fields[pending.field].ref,
        type_ref(pending.text, pending.package, pending.place));
  }
  for (const auto& type : tables_.types) {
    const auto& fields = type->fields;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      type->by_name.push_back(static_cast<std::uint16_t>(i));
    }
    std::sort(type->by_name.begin(), type->by_name.end(), [&](auto a, auto b) {
      return fields[a].name < fields[b].name;
    });
  }
  for (const auto& pending : kinds_) {
    const auto at = types_by_name_.find(pending.package + "." + pending.kind->kind);
    if (at == types_by_name_.end()) {
      return Error{
          Code::invalid,
          fmt::format("{}: kind {} has no type of its name", pending.place, pending.kind->kind)};
    }
    pending.kind->type = at->second;
    if (at->second->doc.empty()) {
      at->second->doc = pending.doc;
    }
  }
  return ok();
}

}  // namespace

Result<Tables> read_tables(const std::vector<std::pair<std::string, std::string>>& files) {
  Reader reader;
  for (const auto& [name, text] : files) {
    TRY_STATUS(reader.read_file(name, text));
  }
  TRY_STATUS(reader.resolve());
  return reader.take();
}

}  // namespace tetrarch::schema
