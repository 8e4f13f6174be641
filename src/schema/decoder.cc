// SPDX-License-Identifier: Apache-2.0
#include "schema/decoder.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "schema/decode_scalar.h"

namespace tetrarch::schema {

namespace {

constexpr std::size_t kComplaintsMax = 100;

bool is_given(const Slot& slot) {
  return slot.is_given && !slot.element.is_null();
}

/// What Go's encoder would leave out, or its defaulting would fill: an empty string where there is
/// a default, a zero where zero means unset, an empty list or map.
bool is_as_good_as_absent(const Field& field, Element value) {
  switch (value.type()) {
    case simdjson::dom::element_type::STRING: {
      std::string_view text;
      return !field.default_json.empty() && value.get_string().get(text) == simdjson::SUCCESS &&
             text.empty();
    }
    case simdjson::dom::element_type::INT64: {
      std::int64_t number = 0;
      return field.is_zero_unset && value.get_int64().get(number) == simdjson::SUCCESS &&
             number == 0;
    }
    case simdjson::dom::element_type::ARRAY:
      return field.ref.shape == Shape::list &&
             simdjson::dom::array(value).begin() == simdjson::dom::array(value).end();
    case simdjson::dom::element_type::OBJECT:
      return field.ref.shape == Shape::map &&
             simdjson::dom::object(value).begin() == simdjson::dom::object(value).end();
    default:
      return false;
  }
}

}  // namespace

void Decoder::complain(std::string_view what, const Step& at, std::string_view name) {
  if (unknown_ == Unknown::ignore || complaints_.size() >= kComplaintsMax) {
    return;
  }
  auto path = path_of(at);
  path += path.empty() ? "" : ".";
  auto text = fmt::format("{} field \"{}{}\"", what, path, name);
  if (std::find(complaints_.begin(), complaints_.end(), text) == complaints_.end()) {
    complaints_.push_back(std::move(text));
  }
}

Result<Scope> Decoder::read_members(const Type& type,
                                    Element value,
                                    const Step& at,
                                    const Scope* parent) {
  Scope scope{parent, &type, std::vector<Slot>(type.fields.size())};
  simdjson::dom::object members;
  if (value.get_object().get(members) != simdjson::SUCCESS) {
    return mismatch(value, TypeRef{Shape::object, &type}, at);
  }
  for (const auto member : members) {
    const Field* field = type.field(member.key);
    if (field == nullptr) {
      complain("unknown", at, member.key);
      continue;
    }
    auto& slot = scope.slots[static_cast<std::size_t>(field - type.fields.data())];
    if (slot.is_given) {
      complain("duplicate", at, member.key);
    }
    slot = {member.value, true};
  }
  return scope;
}

Status Decoder::write_top(const Kind& kind, Element body) {
  const Step top;
  TRY(const auto scope, read_members(*kind.type, body, top, nullptr));
  writer_->begin_object();
  writer_->field("kind", kind.kind).field("apiVersion", kind.api_version());
  const auto& fields = kind.type->fields;
  const auto* metadata = kind.type->field("metadata");
  if (metadata != nullptr && !Siblings{scope}.has("metadata")) {
    TRY_STATUS(write_default(*metadata, "{}", scope, Step{nullptr, "metadata", -1, kind.type}));
  } else if (metadata != nullptr) {
    TRY_STATUS(write_field(scope, static_cast<std::size_t>(metadata - fields.data()), nullptr));
  }
  for (std::size_t place = 0; place < fields.size(); ++place) {
    const auto& name = fields[place].name;
    if (name != "kind" && name != "apiVersion" && name != "metadata") {
      TRY_STATUS(write_field(scope, place, nullptr));
    }
  }
  writer_->end_object();
  return ok();
}

Status Decoder::write_field(const Scope& scope, std::size_t place, const Step* parent) {
  const Field& field = scope.type->fields[place];
  const Slot& slot = scope.slots[place];
  if (!slot.is_given && field.default_json.empty()) {
    return ok();  // most fields of most objects
  }
  const Step at{parent, field.name, -1, scope.type};
  const bool is_top_metadata = parent != nullptr && parent->parent == nullptr &&
                               parent->name == "metadata" && scope.type->name == "ObjectMeta";
  if (is_top_metadata && field.name == "resourceVersion") {
    resource_version_ = Siblings{scope}.string("resourceVersion");
    return ok();
  }
  if (field.is_write_only) {
    if (!is_given(slot)) {
      return ok();
    }
    TRY([[maybe_unused]] const auto checked, written(field.ref, slot.element, at, &scope));
    return ok();
  }
  const Computed* computed =
      field.default_json.starts_with('@') ? find_computed(field.default_json) : nullptr;
  const bool is_filled = fills_defaults_ || (computed != nullptr && computed->is_translation);
  computed = is_filled ? computed : nullptr;
  if (computed != nullptr && computed->fill != nullptr) {
    return write_filled_map(field, *computed, slot, scope, at);
  }
  const bool has_value = is_given(slot) && !is_as_good_as_absent(field, slot.element);
  std::string json;
  if (computed != nullptr && (!has_value || computed->is_forced)) {
    json = computed->value(Siblings{scope});
  } else if (computed == nullptr && !has_value && is_filled) {
    json = field.default_json;
  }
  if (!json.empty()) {
    return write_default(field, json, scope, at);
  }
  if (!has_value) {
    // A list that is published as required is written even if empty: Go clients do so too.
    const bool is_kept = is_given(slot) && (field.is_required || field.is_expected);
    if (!is_kept) {
      return ok();
    }
  }
  writer_->key(field.name);
  return write_value(field.ref, slot.element, at, &scope);
}

Status Decoder::write_default(const Field& field,
                              std::string_view json,
                              const Scope& scope,
                              const Step& at) {
  writer_->key(field.name);
  if (field.ref.shape == Shape::object && json == "{}") {
    return write_empty_object(*field.ref.type, at, &scope);
  }
  writer_->raw(json);
  return ok();
}

Status Decoder::write_filled_map(const Field& field,
                                 const Computed& computed,
                                 const Slot& slot,
                                 const Scope& scope,
                                 const Step& at) {
  MapEntries entries;
  if (is_given(slot)) {
    simdjson::dom::object members;
    if (slot.element.get_object().get(members) != simdjson::SUCCESS) {
      return mismatch(slot.element, field.ref, at);
    }
    for (const auto member : members) {
      TRY(auto text, written(*field.ref.element, member.value, Step{&at, member.key}, &scope));
      entries.insert_or_assign(std::string{member.key}, std::move(text));
    }
  }
  computed.fill(Siblings{scope}, entries);
  if (entries.empty()) {
    return ok();
  }
  writer_->key(field.name).begin_object();
  for (const auto& [key, json] : entries) {
    writer_->key(key).raw(json);
  }
  writer_->end_object();
  return ok();
}

Result<std::string> Decoder::written(const TypeRef& ref,
                                     Element value,
                                     const Step& at,
                                     const Scope* scope) {
  std::string text;
  object::Writer own{text};
  auto* const outer = std::exchange(writer_, &own);
  auto status = write_value(ref, value, at, scope);
  writer_ = outer;
  TRY_STATUS(std::move(status));
  return text;
}

Status Decoder::write_value(const TypeRef& ref, Element value, const Step& at, const Scope* scope) {
  if (ref.shape == Shape::any) {
    return write_any(value);
  }
  if (value.is_null()) {
    return write_zero(ref, at, scope);
  }
  switch (ref.shape) {
    case Shape::object:
      return write_object(*ref.type, value, at, scope);
    case Shape::list:
      return write_list(ref, value, at, scope);
    case Shape::map:
      return write_map(ref, value, at, scope);
    default:
      return write_scalar(*writer_, ref, value, at);
  }
}

/// Go reads null in a list or a map as the zero value.
Status Decoder::write_zero(const TypeRef& ref, const Step& at, const Scope* scope) {
  switch (ref.shape) {
    case Shape::object:
      return write_empty_object(*ref.type, at, scope);
    case Shape::list:
      writer_->begin_array().end_array();
      return ok();
    case Shape::map:
      writer_->begin_object().end_object();
      return ok();
    case Shape::boolean:
      writer_->boolean(false);
      return ok();
    case Shape::int32:
    case Shape::int64:
    case Shape::number:
    case Shape::int_or_string:
      writer_->integer(0);
      return ok();
    case Shape::quantity:
      writer_->string("0");
      return ok();
    default:
      writer_->string("");
      return ok();
  }
}

Status Decoder::write_object(const Type& type, Element value, const Step& at, const Scope* parent) {
  TRY(const auto scope, read_members(type, value, at, parent));
  writer_->begin_object();
  for (std::size_t place = 0; place < type.fields.size(); ++place) {
    TRY_STATUS(write_field(scope, place, &at));
  }
  writer_->end_object();
  return ok();
}

Status Decoder::write_empty_object(const Type& type, const Step& at, const Scope* parent) {
  const Scope scope{parent, &type, std::vector<Slot>(type.fields.size())};
  writer_->begin_object();
  for (std::size_t place = 0; place < type.fields.size(); ++place) {
    TRY_STATUS(write_field(scope, place, &at));
  }
  writer_->end_object();
  return ok();
}

Status Decoder::write_list(const TypeRef& ref, Element value, const Step& at, const Scope* scope) {
  simdjson::dom::array elements;
  if (value.get_array().get(elements) != simdjson::SUCCESS) {
    return mismatch(value, ref, at);
  }
  writer_->begin_array();
  std::int64_t index = 0;
  for (const auto element : elements) {
    TRY_STATUS(write_value(*ref.element, element, Step{&at, {}, index++}, scope));
  }
  writer_->end_array();
  return ok();
}

Status Decoder::write_map(const TypeRef& ref, Element value, const Step& at, const Scope* scope) {
  simdjson::dom::object members;
  if (value.get_object().get(members) != simdjson::SUCCESS) {
    return mismatch(value, ref, at);
  }
  std::vector<std::pair<std::string_view, Element>> sorted;
  for (const auto member : members) {
    sorted.emplace_back(member.key, member.value);
  }
  std::stable_sort(
      sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  writer_->begin_object();
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const auto& [key, element] = sorted[i];
    if (i + 1 < sorted.size() && sorted[i + 1].first == key) {
      complain("duplicate", at, key);  // the last one counts
      continue;
    }
    writer_->key(key);
    TRY_STATUS(write_value(*ref.element, element, Step{&at, key}, scope));
  }
  writer_->end_object();
  return ok();
}

Status Decoder::write_any(Element value) {
  switch (value.type()) {
    case simdjson::dom::element_type::OBJECT:
      writer_->begin_object();
      for (const auto member : simdjson::dom::object(value)) {
        writer_->key(member.key);
        TRY_STATUS(write_any(member.value));
      }
      writer_->end_object();
      return ok();
    case simdjson::dom::element_type::ARRAY:
      writer_->begin_array();
      for (const auto element : simdjson::dom::array(value)) {
        TRY_STATUS(write_any(element));
      }
      writer_->end_array();
      return ok();
    case simdjson::dom::element_type::STRING:
      writer_->string(std::string_view(value));
      return ok();
    case simdjson::dom::element_type::INT64:
      writer_->integer(std::int64_t(value));
      return ok();
    case simdjson::dom::element_type::UINT64:
      writer_->unsigned_integer(std::uint64_t(value));
      return ok();
    case simdjson::dom::element_type::DOUBLE:
      writer_->number(double(value));
      return ok();
    case simdjson::dom::element_type::BOOL:
      writer_->boolean(bool(value));
      return ok();
    case simdjson::dom::element_type::NULL_VALUE:
      break;
  }
  writer_->null();
  return ok();
}

}  // namespace tetrarch::schema
