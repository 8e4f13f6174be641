// SPDX-License-Identifier: Apache-2.0
#include "schema/field_shape.h"

#include <algorithm>

#include "object/writer.h"

namespace tetrarch::schema {

using object::View;

namespace {

constexpr std::size_t kWalkMax = 16;

bool is_merged(const Field& field) {
  return field.patch_strategy == "merge" || field.patch_strategy == "merge,retainKeys";
}

/// Source: kube-openapi v0.34, schemaconv: a list without a type is what its patch strategy says,
/// else atomic.
FieldShape list_shape(const Field& field) {
  switch (field.list_type) {
    case ListType::atomic:
      return FieldShape::leaf;
    case ListType::set:
      return FieldShape::set;
    case ListType::map:
      return FieldShape::keyed_list;
    case ListType::unset:
      break;
  }
  if (!is_merged(field)) {
    return FieldShape::leaf;
  }
  return field.patch_merge_key.empty() ? FieldShape::set : FieldShape::keyed_list;
}

Place below_named(const Type& type, std::string_view name) {
  const auto* field = type.field(name);
  return field == nullptr ? Place{} : Place{&field->ref, field};
}

std::vector<Part> members_of(const Type* type, const Place& of_map, View value) {
  std::vector<Part> parts;
  for (const auto [name, member] : value.members()) {
    std::string step = "f:";
    step += name;
    parts.push_back({std::move(step), member, type == nullptr ? of_map : below_named(*type, name)});
  }
  return parts;
}

/// The keys that tell elements of a list apart, sorted.
std::vector<std::string_view> keys_of(const Field& list) {
  if (list.list_map_keys.empty()) {
    return {list.patch_merge_key};
  }
  std::vector<std::string_view> keys(list.list_map_keys.begin(), list.list_map_keys.end());
  std::sort(keys.begin(), keys.end());
  return keys;
}

}  // namespace

FieldShape shape_of(const Place& place) {
  if (place.ref == nullptr) {
    return FieldShape::leaf;
  }
  const bool is_atomic = place.field != nullptr && place.field->is_atomic_map;
  switch (place.ref->shape) {
    case Shape::object:
      return is_atomic || place.ref->type->is_atomic ? FieldShape::leaf : FieldShape::object;
    case Shape::map:
      return is_atomic ? FieldShape::leaf : FieldShape::map;
    case Shape::list:
      return place.field == nullptr ? FieldShape::leaf : list_shape(*place.field);
    default:
      return FieldShape::leaf;
  }
}

bool is_by_value(const Place& place) {
  const auto* field = place.field;
  if (field == nullptr || shape_of(place) != FieldShape::object) {
    return false;
  }
  const std::string_view type = place.ref->type->name;
  // Source: k8s.io/api v0.34, core/v1 types.go: of what is filled with defaults, the one pointer.
  const bool is_pointer = type == "PodSecurityContext";
  return type == "ObjectMeta" || field->is_required || (field->default_json == "{}" && !is_pointer);
}

std::string keyed_step(const Field& list, View element) {
  if (!element.is_object()) {
    return {};
  }
  const auto* type = list.ref.element->type;
  std::string step = "k:";
  object::Writer out(step);
  out.begin_object();
  bool has_key = false;
  for (const auto key : keys_of(list)) {
    const View value = element[key];
    const auto* field = type == nullptr ? nullptr : type->field(key);
    if (value) {
      out.field(key, value);
      has_key = true;
    } else if (field != nullptr && !field->default_json.empty() && field->default_json[0] != '@') {
      out.key(key).raw(field->default_json);
      has_key = true;
    }
  }
  out.end_object();
  return has_key ? step : std::string();
}

std::vector<Part> parts_of(const Place& place, View value) {
  const auto shape = shape_of(place);
  if (shape == FieldShape::object) {
    return parts_of(*place.ref->type, value);
  }
  if (shape == FieldShape::map) {
    return members_of(nullptr, {place.ref->element.get()}, value);
  }
  std::vector<Part> parts;
  if (is_list(shape)) {
    for (const View element : value.elements()) {
      auto step = shape == FieldShape::set ? "v:" + std::string(element.raw())
                                           : keyed_step(*place.field, element);
      if (!step.empty()) {
        parts.push_back({std::move(step), element, {place.ref->element.get()}});
      }
    }
  }
  return parts;
}

std::vector<Part> parts_of(const Type& type, View object) {
  return members_of(&type, {}, object);
}

Place place_below(const Place& place, std::string_view step) {
  switch (shape_of(place)) {
    case FieldShape::object:
      return place_below(*place.ref->type, step);
    case FieldShape::map:
    case FieldShape::keyed_list:
    case FieldShape::set:
      return {place.ref->element.get()};
    case FieldShape::leaf:
      break;
  }
  return {};
}

Place place_below(const Type& type, std::string_view step) {
  return step.starts_with("f:") ? below_named(type, step.substr(2)) : Place{};
}

bool is_bare(View value) {
  if (value.is_object()) {
    return value.members().begin() == value.members().end();
  }
  return !value || (value.is_array() && value.elements().begin() == value.elements().end());
}

PartIndex::PartIndex(const std::vector<Part>& parts) : parts_(&parts) {
  if (parts.size() <= kWalkMax) {
    return;
  }
  for (const auto& part : parts) {
    auto& found = by_step_[part.step];
    found.first = found.first == nullptr ? &part : found.first;
    ++found.count;
  }
}

const PartIndex::Found* PartIndex::look_up(std::string_view step) const {
  const auto at = by_step_.find(step);
  return at == by_step_.end() ? nullptr : &at->second;
}

const Part* PartIndex::find(std::string_view step) const {
  if (!by_step_.empty()) {
    const auto* found = look_up(step);
    return found == nullptr ? nullptr : found->first;
  }
  const auto at = std::find_if(
      parts_->begin(), parts_->end(), [&](const Part& part) { return part.step == step; });
  return at == parts_->end() ? nullptr : &*at;
}

std::size_t PartIndex::count(std::string_view step) const {
  if (!by_step_.empty()) {
    const auto* found = look_up(step);
    return found == nullptr ? 0 : found->count;
  }
  return static_cast<std::size_t>(std::count_if(
      parts_->begin(), parts_->end(), [&](const Part& part) { return part.step == step; }));
}

}  // namespace tetrarch::schema
