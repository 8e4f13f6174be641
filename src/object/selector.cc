// SPDX-License-Identifier: Apache-2.0
#include "object/selector.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "object/label_parser.h"
#include "object/names.h"

namespace tetrarch::object {
namespace {

std::optional<std::int64_t> to_integer(std::string_view text) {
  std::int64_t value = 0;
  text.remove_prefix(!text.empty() && text.front() == '+' ? 1 : 0);
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || rest != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

std::string invalid_value(const std::string& field,
                          std::string_view value,
                          const std::string& why) {
  return field + ": Invalid value: " + go_quoted(value) + ": " + why;
}

/// Several sentences as one, as Go prints an aggregate.
std::string aggregate(const Faults& faults) {
  if (faults.size() == 1) {
    return faults.front();
  }
  std::string out;
  for (const auto& fault : faults) {
    out += (out.empty() ? "[" : ", ") + fault;
  }
  return out + "]";
}

/// A set for in and not_in: sorted and unique.
void normalize(std::vector<std::string>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

Faults value_faults(const LabelRequirement& requirement) {
  Faults faults;
  for (std::size_t i = 0; i < requirement.values.size(); ++i) {
    if (const auto wrong = label_value_faults(requirement.values[i]); !wrong.empty()) {
      faults.push_back(invalid_value("values[" + std::to_string(i) + "][" + requirement.key + "]",
                                     requirement.values[i],
                                     joined(wrong)));
    }
  }
  return faults;
}

/// Source: Kubernetes apimachinery, pkg/labels/selector.go, NewRequirement, v0.34.
Result<LabelRequirement> make_requirement(std::string key,
                                          LabelOperator op,
                                          std::vector<std::string> values) {
  LabelRequirement out{.key = std::move(key), .op = op, .values = std::move(values)};
  Faults faults;
  if (const auto wrong = label_key_faults(out.key); !wrong.empty()) {
    faults.push_back(invalid_value("key", out.key, joined(wrong)));
  }
  const bool is_set = op == LabelOperator::in || op == LabelOperator::not_in;
  const bool is_bound = op == LabelOperator::greater_than || op == LabelOperator::less_than;
  if (is_set && out.values.empty()) {
    faults.emplace_back(
        "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty");
  } else if (is_bound && out.values.size() != 1) {
    faults.emplace_back(
        "values: Invalid value: []: for 'Gt', 'Lt' operators, exactly one value is required");
  } else if (is_bound) {
    const auto bound = to_integer(out.values[0]);
    if (!bound) {
      faults.push_back(invalid_value(
          "values[0]", out.values[0], "for 'Gt', 'Lt' operators, the value must be an integer"));
    }
    out.bound = bound.value_or(0);
  } else if (!is_set && !out.values.empty()) {
    faults.emplace_back(
        "values: Invalid value: []: values set must be empty for exists and does not exist");
  }
  normalize(out.values);
  for (auto& fault : value_faults(out)) {
    faults.push_back(std::move(fault));
  }
  if (!faults.empty()) {
    return Error{Code::malformed, aggregate(faults)};
  }
  if (is_bound) {
    out.values.clear();
  }
  return out;
}

void sort_by_key(std::vector<LabelRequirement>& requirements) {
  std::stable_sort(requirements.begin(), requirements.end(), [](const auto& a, const auto& b) {
    return a.key < b.key;
  });
}

LabelOperator operator_of(std::string_view text) {
  if (text == "in" || text == "=" || text == "==") {
    return LabelOperator::in;
  }
  if (text == "notin" || text == "!=") {
    return LabelOperator::not_in;
  }
  if (text == ">" || text == "<") {
    return text == ">" ? LabelOperator::greater_than : LabelOperator::less_than;
  }
  return text == "exists" ? LabelOperator::exists : LabelOperator::does_not_exist;
}

std::optional<LabelOperator> expression_operator(std::string_view text, bool has_bounds) {
  if (text == "In" || text == "NotIn") {
    return text == "In" ? LabelOperator::in : LabelOperator::not_in;
  }
  if (text == "Exists" || text == "DoesNotExist") {
    return text == "Exists" ? LabelOperator::exists : LabelOperator::does_not_exist;
  }
  if (has_bounds && (text == "Gt" || text == "Lt")) {
    return text == "Gt" ? LabelOperator::greater_than : LabelOperator::less_than;
  }
  return std::nullopt;
}

/// Appends the requirements of a list of {key, operator, values}.
Status add_expressions(std::vector<LabelRequirement>& out, View expressions, bool has_bounds) {
  for (const View expression : expressions.elements()) {
    const auto name = expression["operator"].string();
    const auto op = expression_operator(name, has_bounds);
    if (!op) {
      return Error{Code::malformed,
                   go_quoted(name) + " is not a valid " + (has_bounds ? "node" : "label") +
                       " selector operator"};
    }
    std::vector<std::string> values;
    for (const View value : expression["values"].elements()) {
      values.emplace_back(value.string());
    }
    TRY(auto requirement,
        make_requirement(std::string(expression["key"].string()), *op, std::move(values)));
    out.push_back(std::move(requirement));
  }
  return ok();
}

std::string text_of(const LabelRequirement& requirement) {
  const auto& values = requirement.values;
  std::string list;
  for (const auto& value : values) {
    list += (&value == &values.front() ? "" : ",") + value;
  }
  switch (requirement.op) {
    case LabelOperator::exists:
      return requirement.key;
    case LabelOperator::does_not_exist:
      return "!" + requirement.key;
    case LabelOperator::greater_than:
      return requirement.key + ">" + std::to_string(requirement.bound);
    case LabelOperator::less_than:
      return requirement.key + "<" + std::to_string(requirement.bound);
    case LabelOperator::in:
      return values.size() == 1 ? requirement.key + "=" + list
                                : requirement.key + " in (" + list + ")";
    case LabelOperator::not_in:
      return values.size() == 1 ? requirement.key + "!=" + list
                                : requirement.key + " notin (" + list + ")";
  }
  return {};
}

}  // namespace

bool LabelRequirement::matches(std::optional<std::string_view> value) const {
  const auto is_listed = [&] {
    return std::find(values.begin(), values.end(), *value) != values.end();
  };
  switch (op) {
    case LabelOperator::in:
      return value && is_listed();
    case LabelOperator::not_in:
      return !value || !is_listed();
    case LabelOperator::exists:
      return value.has_value();
    case LabelOperator::does_not_exist:
      return !value;
    case LabelOperator::greater_than:
    case LabelOperator::less_than: {
      const auto number = value ? to_integer(*value) : std::nullopt;
      return number && (op == LabelOperator::greater_than ? *number > bound : *number < bound);
    }
  }
  return false;
}

LabelSelector LabelSelector::nothing() {
  LabelSelector out;
  out.is_nothing_ = true;
  return out;
}

Result<LabelSelector> LabelSelector::parse(std::string_view text) {
  TRY(auto terms, parse_label_terms(text));
  LabelSelector out;
  for (auto& term : terms) {
    auto made = make_requirement(std::move(term.key), operator_of(term.op), std::move(term.values));
    if (!made.ok()) {
      return Error{Code::malformed, "unable to parse requirement: " + made.error().message};
    }
    out.requirements_.push_back(std::move(*made));
  }
  sort_by_key(out.requirements_);
  return out;
}

Result<LabelSelector> LabelSelector::from_object(View selector) {
  if (!selector) {
    return nothing();
  }
  LabelSelector out;
  for (const auto [key, value] : selector["matchLabels"].members()) {
    TRY(auto made,
        make_requirement(std::string(key), LabelOperator::in, {std::string(value.string())}));
    out.requirements_.push_back(std::move(made));
  }
  TRY_STATUS(add_expressions(out.requirements_, selector["matchExpressions"], false));
  sort_by_key(out.requirements_);
  return out;
}

LabelSelector LabelSelector::from_map(View labels) {
  LabelSelector out;
  for (const auto [key, value] : labels.members()) {
    out.requirements_.push_back({.key = std::string(key),
                                 .op = LabelOperator::in,
                                 .values = {std::string(value.string())}});
  }
  sort_by_key(out.requirements_);
  return out;
}

Result<LabelSelector> LabelSelector::from_expressions(View expressions) {
  LabelSelector out;
  TRY_STATUS(add_expressions(out.requirements_, expressions, true));
  sort_by_key(out.requirements_);
  return out;
}

bool LabelSelector::matches(View labels) const {
  return !is_nothing_ &&
         std::all_of(
             requirements_.begin(), requirements_.end(), [&](const LabelRequirement& requirement) {
               const View label = labels[requirement.key];
               return requirement.matches(label.exists() ? std::optional(label.string())
                                                         : std::nullopt);
             });
}

bool LabelSelector::matches(
    const std::function<std::optional<std::string_view>(std::string_view)>& label) const {
  return !is_nothing_ &&
         std::all_of(
             requirements_.begin(), requirements_.end(), [&](const LabelRequirement& requirement) {
               return requirement.matches(label(requirement.key));
             });
}

std::string LabelSelector::text() const {
  std::string out;
  for (const auto& requirement : requirements_) {
    out += (out.empty() ? "" : ",") + text_of(requirement);
  }
  return out;
}

}  // namespace tetrarch::object
