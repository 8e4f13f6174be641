// SPDX-License-Identifier: Apache-2.0
#include "reconcile/condition.h"

#include <algorithm>

namespace tetrarch::reconcile {

namespace {

using object::TreeArray;
using object::TreeObject;

std::string_view text(const TreeObject& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string_view(value->get_string())
                                                : std::string_view();
}

TreeObject* place_of(TreeArray& conditions, std::string_view type) {
  for (auto& each : conditions) {
    if (each.is_object() && text(each.get_object(), "type") == type) {
      return &each.get_object();
    }
  }
  return nullptr;
}

void write(TreeObject& at, const Condition& wanted, TimePoint now) {
  if (text(at, "status") != wanted.status || text(at, "lastTransitionTime").empty()) {
    at["lastTransitionTime"] = format_time(now);
  }
  at["type"] = wanted.type;
  at["status"] = wanted.status;
  for (const auto& [name, value] :
       {std::pair("reason", wanted.reason), std::pair("message", wanted.message)}) {
    if (value.empty()) {
      at.erase(name);
    } else {
      at[name] = value;
    }
  }
}

}  // namespace

const TreeObject* find_condition(const TreeArray& conditions, std::string_view type) {
  for (const auto& each : conditions) {
    if (each.is_object() && text(each.get_object(), "type") == type) {
      return &each.get_object();
    }
  }
  return nullptr;
}

bool has_condition(const TreeArray& conditions, std::string_view type, std::string_view reason) {
  const auto* found = find_condition(conditions, type);
  return found != nullptr && text(*found, "reason") == reason;
}

void remove_condition(TreeArray& conditions, std::string_view type) {
  const auto at = std::find_if(conditions.begin(), conditions.end(), [&](const auto& each) {
    return each.is_object() && text(each.get_object(), "type") == type;
  });
  if (at != conditions.end()) {
    conditions.erase(at);
  }
}

void set_condition(TreeArray& conditions, const Condition& wanted, TimePoint now) {
  auto* at = place_of(conditions, wanted.type);
  write(at != nullptr ? *at : conditions.emplace_back(TreeObject()).as_object(), wanted, now);
}

void set_updated_condition(TreeArray& conditions, const Condition& wanted, TimePoint now) {
  auto* at = place_of(conditions, wanted.type);
  if (at == nullptr) {
    at = &conditions.emplace_back(TreeObject()).as_object();
  } else if (text(*at, "status") == wanted.status && text(*at, "reason") == wanted.reason) {
    return;
  }
  write(*at, wanted, now);
  (*at)["lastUpdateTime"] = format_time(now);
}

}  // namespace tetrarch::reconcile
