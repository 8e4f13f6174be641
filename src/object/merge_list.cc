// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes apimachinery, pkg/util/strategicpatch/patch.go, v0.34: rules of order, and the
// sentences.
#include "object/merge_list.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "object/path.h"

namespace tetrarch::object {
namespace {

constexpr const char* kDirective = "$patch";
constexpr std::size_t kNowhere = std::numeric_limits<std::size_t>::max();

boost::json::string_view as_boost(std::string_view text) {
  return {text.data(), text.size()};
}

const Tree* directive_of(const Tree& element) {
  const auto* object = element.if_object();
  return object == nullptr ? nullptr : object->if_contains(kDirective);
}

/// The places of a list's elements by key; the first counts.
Result<ElementKeys> places_of(const TreeArray& list, std::string_view merge_key) {
  ElementKeys places;
  for (std::size_t i = 0; i < list.size(); ++i) {
    TRY(auto key, element_key(list[i], merge_key));
    places.emplace(std::move(key), i);
  }
  return places;
}

std::size_t place_in(const ElementKeys& places, const std::string& key) {
  const auto found = places.find(key);
  return found == places.end() ? kNowhere : found->second;
}

struct Element {
  Tree value;
  std::size_t order_place = kNowhere;
  std::size_t live_place = kNowhere;
};

}  // namespace

Result<std::string> element_key(const Tree& element, std::string_view merge_key) {
  if (merge_key.empty()) {
    return to_json(element);
  }
  const auto* object = element.if_object();
  const Tree* value = object == nullptr ? nullptr : object->if_contains(as_boost(merge_key));
  if (value == nullptr) {
    return Error{Code::malformed,
                 "map: " + to_json(element) +
                     " does not contain declared merge key: " + std::string(merge_key)};
  }
  return to_json(*value);
}

ElementKeys element_keys(const TreeArray& list) {
  ElementKeys keys;
  for (std::size_t i = 0; i < list.size(); ++i) {
    keys.emplace(to_json(list[i]), i);
  }
  return keys;
}

Result<bool> holds_objects(const TreeArray& a, const TreeArray& b) {
  bool has_objects = false;
  bool has_scalars = false;
  for (const TreeArray* list : {&a, &b}) {
    for (const auto& element : *list) {
      if (element.is_array()) {
        return Error{Code::invalid, "lists of lists are not supported"};
      }
      (element.is_object() ? has_objects : has_scalars) = true;
    }
  }
  if (has_objects && has_scalars) {
    return Error{Code::malformed,
                 "list element types are not identical: " + to_json(a) + " " + to_json(b)};
  }
  return has_objects;
}

Result<SplitPatch> split_directives(TreeArray patch, std::string_view merge_key) {
  SplitPatch out;
  for (auto& element : patch) {
    const Tree* directive = directive_of(element);
    const auto name = directive == nullptr ? std::string_view() : text_of(*directive);
    if (directive == nullptr) {
      out.changed.push_back(std::move(element));
    } else if (name == "delete") {
      TRY(auto key, element_key(element, merge_key));
      out.deleted.emplace(std::move(key), 0);
    } else if (name == "replace") {
      out.is_replacement = true;
    } else if (name == "merge") {
      return Error{Code::malformed, "merging lists cannot yet be specified in the patch"};
    } else {
      return Error{Code::malformed,
                   "unknown patch type: " + to_json(*directive) + " in map: " + to_json(element)};
    }
  }
  return out;
}

Status check_element_order(const TreeArray& patch,
                           const TreeArray& order,
                           std::string_view merge_key) {
  if (order.empty()) {
    return ok();
  }
  TRY(const auto places, places_of(order, merge_key));
  std::size_t next = 0;
  for (const auto& element : patch) {
    if (directive_of(element) != nullptr) {
      continue;
    }
    TRY(const auto key, element_key(element, merge_key));
    const auto place = place_in(places, key);
    if (place == kNowhere || place < next) {
      return Error{Code::malformed,
                   "The order in patch list:\n" + to_json(patch) +
                       "\n doesn't match $setElementOrder list:\n" + to_json(order) + "\n"};
    }
    next = place + 1;
  }
  return ok();
}

Result<TreeArray> order_elements(TreeArray elements,
                                 const TreeArray& order,
                                 const TreeArray& live,
                                 std::string_view merge_key) {
  TRY(const auto order_places, places_of(order, merge_key));
  TRY(const auto live_places, places_of(live, merge_key));
  std::vector<Element> named;
  std::vector<Element> others;
  for (auto& value : elements) {
    TRY(const auto key, element_key(value, merge_key));
    Element element{std::move(value), place_in(order_places, key), place_in(live_places, key)};
    (element.order_place == kNowhere ? others : named).push_back(std::move(element));
  }
  std::stable_sort(named.begin(), named.end(), [](const Element& a, const Element& b) {
    return a.order_place < b.order_place;
  });
  std::stable_sort(others.begin(), others.end(), [](const Element& a, const Element& b) {
    return a.live_place < b.live_place;
  });
  TreeArray out;
  auto other = others.begin();
  for (auto& element : named) {
    while (other != others.end() && other->live_place < element.live_place &&
           element.live_place != kNowhere) {
      out.push_back(std::move(other++->value));
    }
    out.push_back(std::move(element.value));
  }
  for (; other != others.end(); ++other) {
    out.push_back(std::move(other->value));
  }
  return out;
}

}  // namespace tetrarch::object
