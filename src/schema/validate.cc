// SPDX-License-Identifier: Apache-2.0
// The walk over an object and its tables: required, immutable, ranges, choices, formats,
// uniqueness; and the call of the rules that tables cannot say.
#include <algorithm>
#include <set>
#include <string>

#include <fmt/format.h>

#include "schema/decode.h"
#include "schema/formats.h"
#include "schema/problems.h"
#include "schema/rules.h"
#include "schema/step.h"
#include "schema/validate_metadata.h"

namespace tetrarch::schema {

namespace {

using object::View;

bool is_empty(View value) {
  return !value || (value.is_string() && value.string().empty()) ||
         (value.is_array() && value.size() == 0);
}

std::string range_text(const Field& field) {
  if (field.min == 0 && field.max == 511) {
    return "must be a number between 0 and 0777 (octal), both inclusive";
  }
  if (field.min && field.max) {
    return fmt::format("must be between {} and {}, inclusive", *field.min, *field.max);
  }
  if (field.min == 1) {
    return "must be greater than 0";
  }
  return field.min ? fmt::format("must be greater than or equal to {}", *field.min)
                   : fmt::format("must be less than or equal to {}", *field.max);
}

class Walk {
 public:
  Walk(bool is_update, std::string_view part) : is_update_(is_update), part_(part) {}

  void check_type(const Type& type, View fresh, View old, const Step* at) {
    const auto begin = members_.size();
    const auto count = type.fields.size();
    members_.resize(begin + 2 * count);
    sort_members(type, fresh, begin);
    sort_members(type, old, begin + count);
    for (std::size_t place = 0; place < count; ++place) {
      const auto& field = type.fields[place];
      const View fresh_value = members_[begin + place];
      const View old_value = members_[begin + count + place];
      if (fresh_value.exists() || old_value.exists() || field.is_required) {
        check_field(field, fresh_value, old_value, Step{at, field.name, -1, &type});
      }
    }
    members_.resize(begin);
    if (const auto rule = find_rule(type.group, type.name); rule != nullptr) {
      const bool is_whole = at == nullptr;
      rule(problems,
           Site{fresh, old, is_whole ? "" : path_of(*at), is_whole ? part_ : std::string_view()});
    }
  }

  Problems problems;

 private:
  /// The members of an object by the places of their fields. Most come in the order of the tables,
  /// so the field of the next one is looked for behind that of the last.
  void sort_members(const Type& type, View object, std::size_t begin) {
    std::size_t place = 0;
    for (const auto [name, value] : object.members()) {
      while (place < type.fields.size() && type.fields[place].name != name) {
        ++place;
      }
      if (place == type.fields.size()) {
        const auto* field = type.field(name);
        place = field == nullptr ? 0 : static_cast<std::size_t>(field - type.fields.data());
        if (field == nullptr) {
          continue;
        }
      }
      members_[begin + place] = value;
    }
  }

  void check_field(const Field& field, View fresh, View old, const Step& at) {
    if (is_update_ && field.is_immutable && !fresh.same_as(old)) {
      problems.invalid(path_of(at), fresh, "field is immutable");
    }
    if (field.is_required && is_empty(fresh)) {
      problems.required(path_of(at));
      return;
    }
    if (!fresh) {
      return;
    }
    check_number(field, fresh, at);
    check_text(field, fresh, at);
    if (field.format == "labels") {
      check_labels(fresh, at);
    }
    if (field.is_unique) {
      check_unique(field, fresh, at);
    }
    check_value(field.ref, fresh, old, at);
  }

  void check_value(const TypeRef& ref, View fresh, View old, const Step& at) {
    if (ref.shape == Shape::object) {
      check_type(*ref.type, fresh, old, &at);
    } else if (ref.shape == Shape::list && ref.element->shape == Shape::object) {
      // Elements have no old selves: which was which is for rules to say.
      std::int64_t index = 0;
      for (const auto element : fresh.elements()) {
        const Step step{&at, {}, index++};
        check_type(*ref.element->type, element, {}, &step);
      }
    }
  }

  void check_number(const Field& field, View fresh, const Step& at) {
    if (!fresh.is_number()) {
      return;
    }
    const auto value = fresh.integer();
    if (field.format == "port") {
      for (const auto& fault : port_number_faults(value)) {
        problems.invalid(path_of(at), fresh, fault);
      }
    }
    if ((field.min && value < *field.min) || (field.max && value > *field.max)) {
      problems.invalid(path_of(at), fresh, range_text(field));
    }
  }

  void check_text(const Field& field, View fresh, const Step& at) {
    if (!fresh.is_string() || fresh.string().empty()) {
      return;
    }
    const auto text = fresh.string();
    const auto& choices = field.choices;
    if (!choices.empty() && std::find(choices.begin(), choices.end(), text) == choices.end()) {
      problems.not_supported(path_of(at), text, choices);
    }
    if (!field.format.empty()) {
      problems.invalid_each(
          path_of(at),
          text,
          format_faults(field.format == "port" ? "port-name" : field.format, text));
    }
  }

  void check_labels(View labels, const Step& at) {
    for (const auto member : labels.members()) {
      const auto path = path_of(at);
      problems.invalid_each(path, member.key, object::label_key_faults(member.key));
      problems.invalid_each(
          path, member.value.string(), object::label_value_faults(member.value.string()));
    }
  }

  void check_unique(const Field& field, View list, const Step& at) {
    std::set<std::string> seen;
    std::size_t index = 0;
    for (const auto element : list.elements()) {
      std::string identity;
      for (const auto& key : field.list_map_keys) {
        identity += fmt::format("{}{}", identity.empty() ? "" : "/", element[key].string());
      }
      if (field.list_map_keys.empty()) {
        identity = element.string();
      }
      const auto path = index_path(path_of(at), index++);
      if (!seen.insert(identity).second && !identity.empty()) {
        const bool has_one_key = field.list_map_keys.size() == 1;
        problems.duplicate(has_one_key ? join_path(path, field.list_map_keys[0]) : path, identity);
      }
    }
  }

  bool is_update_;
  std::string_view part_;
  std::vector<View> members_;  // of the objects around the current one, one behind the other
};

}  // namespace

std::vector<FieldError> validate(const Kind& kind, View fresh, View old, std::string_view part) {
  Walk walk{old.exists(), part};
  const auto* metadata = kind.type->field("metadata");
  const bool is_object =
      metadata != nullptr && metadata->ref.type->name == "ObjectMeta" && kind.has_verb("get");
  if (is_object) {
    check_metadata(walk.problems, kind, Site{fresh["metadata"], old["metadata"], "metadata"});
  }
  walk.check_type(*kind.type, fresh, old, nullptr);
  return walk.problems.take();
}

}  // namespace tetrarch::schema
