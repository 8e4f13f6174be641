// SPDX-License-Identifier: Apache-2.0
// What is wrong with an applied configuration before its values are looked at.
#include <utility>

#include <fmt/format.h>

#include "schema/field_shape.h"
#include "schema/fields.h"

namespace tetrarch::schema {

using object::View;

namespace {

constexpr std::size_t kFaultsMax = 20;

/// Source of the sentences: structured-merge-diff v6, typed/validate.go and typed/helpers.go.
class Checker {
 public:
  Status run(const Type& type, View object) {
    check_members(&type, {}, object);
    if (faults_.empty()) {
      return ok();
    }
    if (faults_.size() == 1) {
      return Error{Code::malformed, faults_.front()};
    }
    return Error{Code::malformed, fmt::format("errors:\n  {}", fmt::join(faults_, "\n  "))};
  }

 private:
  void add(std::string_view what) {
    if (faults_.size() < kFaultsMax) {
      faults_.push_back(path_.empty() ? std::string(what)
                                      : fmt::format("{}: {}", object::path_text(path_), what));
    }
  }

  void check(std::string_view step, const Place& place, View value) {
    path_.push_back(step);
    const auto shape = shape_of(place);
    if (value && is_list(shape) && value.is_array()) {
      check_elements(place, value);
    } else if (value && value.is_object() && shape == FieldShape::map) {
      check_members(nullptr, {place.ref->element.get()}, value);
    } else if (value && value.is_object() && place.ref != nullptr &&
               place.ref->shape == Shape::object) {
      check_members(place.ref->type, {}, value);
    } else if (value.is_array() && place.ref != nullptr && place.ref->shape == Shape::list) {
      check_atomic(place, value);
    }
    path_.pop_back();
  }

  void check_members(const Type* type, const Place& of_map, View object) {
    for (const auto [name, value] : object.members()) {
      const auto step = "f:" + std::string(name);
      const auto* field = type == nullptr ? nullptr : type->field(name);
      if (type != nullptr && field == nullptr) {
        path_.push_back(step);
        add("field not declared in schema");
        path_.pop_back();
      } else {
        check(step, field == nullptr ? of_map : Place{&field->ref, field}, value);
      }
    }
  }

  void check_atomic(const Place& place, View list) {
    std::size_t index = 0;
    for (const View element : list.elements()) {
      const auto step = fmt::format("i:{}", index++);
      check(step, {place.ref->element.get()}, element);
    }
  }

  void check_elements(const Place& place, View list) {
    std::vector<Part> parts;
    std::size_t index = 0;
    for (const View element : list.elements()) {
      const auto fault = fault_of(place, element);
      if (!fault.empty()) {
        add(fmt::format("element {}: {}", index, fault));
        return;
      }
      ++index;
    }
    parts = parts_of(place, list);
    const PartIndex known(parts);
    for (const auto& part : parts) {
      if (known.find(part.step) != &part) {
        const std::string_view step = part.step;
        add(fmt::format("duplicate entries for key {}", object::path_text({&step, 1})));
      }
      check(part.step, part.place, part.value);
    }
  }

  static std::string fault_of(const Place& list, View element) {
    if (shape_of(list) == FieldShape::set) {
      return element.is_object()  ? "associative list without keys has an element that's a map type"
             : element.is_array() ? "not supported: associative list with lists as elements"
             : !element ? "associative list without keys has an element that's an explicit null"
                        : "";
    }
    if (!element) {
      return "associative list with keys may not have a null element";
    }
    if (!element.is_object()) {
      return "associative list with keys may not have non-map elements";
    }
    if (!keyed_step(*list.field, element).empty()) {
      return {};
    }
    const auto& keys = list.field->list_map_keys;
    return fmt::format(
        "associative list with keys has an element that omits all key fields [\"{}\"] (and doesn't "
        "have default values for any key fields)",
        keys.empty() ? list.field->patch_merge_key : fmt::format("{}", fmt::join(keys, "\" \"")));
  }

  std::vector<std::string_view> path_;
  std::vector<std::string> faults_;
};

}  // namespace

Status check_applied(const Type& type, View applied) {
  return Checker().run(type, applied);
}

}  // namespace tetrarch::schema
