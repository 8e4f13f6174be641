// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes apimachinery, pkg/util/strategicpatch and pkg/util/mergepatch, v0.34: what
// each directive does, the order that merged lists get, and the sentences. Ours: `$patch: merge` in
// an object is what happens anyway, and accepted; directives inside a value that is new to the
// target are dropped, not stored.
#include "object/strategic_merge.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "object/merge_list.h"
#include "object/path.h"

namespace tetrarch::object {
namespace {

constexpr std::string_view kDirective = "$patch";
constexpr std::string_view kRetainKeys = "$retainKeys";
constexpr std::string_view kDeleteFromPrefix = "$deleteFromPrimitiveList";
constexpr std::string_view kOrderPrefix = "$setElementOrder";

boost::json::string_view as_boost(std::string_view text) {
  return {text.data(), text.size()};
}

std::string_view as_view(boost::json::string_view text) {
  return {text.data(), text.size()};
}

Error bad_format(std::string_view of) {
  return {Code::malformed, "invalid patch format of " + std::string(of)};
}

Error unknown_directive(const Tree& directive, const Tree& patch) {
  const auto name = directive.is_string() ? std::string(text_of(directive)) : to_json(directive);
  return {Code::malformed, "unknown patch type: " + name + " in map: " + to_json(patch)};
}

bool is_directive(std::string_view name) {
  return name == kDirective || name == kRetainKeys || name.starts_with(kDeleteFromPrefix) ||
         name.starts_with(kOrderPrefix);
}

/// Makes a piece of patch a value: without nulls in objects and without directives. False: it was a
/// directive itself.
bool clean(Tree& tree) {
  if (auto* list = tree.if_array()) {
    TreeArray kept;
    for (auto& element : *list) {
      if (clean(element)) {
        kept.push_back(std::move(element));
      }
    }
    *list = std::move(kept);
    return true;
  }
  auto* object = tree.if_object();
  if (object == nullptr) {
    return true;
  }
  if (object->contains(as_boost(kDirective))) {
    return false;
  }
  TreeObject kept;
  for (auto& member : *object) {
    if (!is_directive(as_view(member.key())) && !member.value().is_null() &&
        clean(member.value())) {
      kept.emplace(member.key(), std::move(member.value()));
    }
  }
  *object = std::move(kept);
  return true;
}

class Merger {
 public:
  explicit Merger(const MergeRules& rules) : rules_(rules) {}

  /// `target` becomes an object if it is none.
  Status merge_object(Tree& target, Tree patch, MergeRules::Type type);

 private:
  Status retain_keys(TreeObject& target, TreeObject& patch);
  Status merge_ordered_lists(TreeObject& target, TreeObject& patch, MergeRules::Type type);
  Status merge_ordered_list(TreeObject& target,
                            TreeObject& patch,
                            std::string_view name,
                            const TreeArray& order,
                            const MergeRules::Field& field);
  Status merge_member(TreeObject& target, std::string_view name, Tree patch, MergeRules::Type type);
  Status delete_from_list(TreeObject& target, std::string_view name, const Tree& values);
  Result<TreeArray> merge_list(TreeArray target, TreeArray patch, const MergeRules::Field& field);
  Result<TreeArray> merge_scalars(TreeArray target, TreeArray patch);
  Result<TreeArray> merge_elements(TreeArray target,
                                   TreeArray patch,
                                   const MergeRules::Field& field);

  MergeRules::Field field_of(MergeRules::Type type, std::string_view name) const {
    return type == nullptr ? MergeRules::Field{} : rules_.field(type, name);
  }

  const MergeRules& rules_;
};

Status Merger::merge_object(Tree& target, Tree patch, MergeRules::Type type) {
  auto& changes = patch.get_object();
  if (const Tree* directive = changes.if_contains(as_boost(kDirective))) {
    const auto name = text_of(*directive);
    if (name == "delete") {
      target = TreeObject();
      return ok();
    }
    if (name != "replace" && name != "merge") {
      return unknown_directive(*directive, patch);
    }
    const bool is_replacement = name == "replace";
    erase_member(changes, kDirective);
    if (is_replacement) {
      clean(patch);
      target = std::move(patch);
      return ok();
    }
  }
  if (!target.is_object()) {
    target = TreeObject();
  }
  auto& object = target.get_object();
  TRY_STATUS(retain_keys(object, changes));
  TRY_STATUS(merge_ordered_lists(object, changes, type));
  for (auto& member : changes) {
    const auto name = as_view(member.key());
    if (name.starts_with(kDeleteFromPrefix)) {
      if (name.size() <= kDeleteFromPrefix.size() || name[kDeleteFromPrefix.size()] != '/') {
        return bad_format("primitive list");
      }
      TRY_STATUS(
          delete_from_list(object, name.substr(kDeleteFromPrefix.size() + 1), member.value()));
    } else {
      TRY_STATUS(merge_member(object, name, std::move(member.value()), type));
    }
  }
  return ok();
}

Status Merger::retain_keys(TreeObject& target, TreeObject& patch) {
  const Tree* found = patch.if_contains(as_boost(kRetainKeys));
  if (found == nullptr) {
    return ok();
  }
  if (!found->is_array()) {
    return bad_format("retainKeys");
  }
  TreeObject retained;  // used as a set
  for (const auto& key : found->get_array()) {
    retained[as_boost(text_of(key))] = true;
  }
  erase_member(patch, kRetainKeys);
  for (const auto& member : patch) {
    const bool is_exempt = member.value().is_null() || is_directive(as_view(member.key()));
    if (!is_exempt && !retained.contains(member.key())) {
      return bad_format("retainKeys");
    }
  }
  TreeObject kept;
  for (auto& member : target) {
    if (retained.contains(member.key())) {
      kept.emplace(member.key(), std::move(member.value()));
    }
  }
  target = std::move(kept);
  return ok();
}

Status Merger::merge_ordered_lists(TreeObject& target, TreeObject& patch, MergeRules::Type type) {
  std::vector<std::pair<std::string, Tree>> orders;
  for (auto& member : patch) {
    if (as_view(member.key()).starts_with(kOrderPrefix)) {
      orders.emplace_back(as_view(member.key()), std::move(member.value()));
    }
  }
  for (auto& [directive, order] : orders) {
    erase_member(patch, directive);
    if (!order.is_array() || directive.size() <= kOrderPrefix.size() ||
        directive[kOrderPrefix.size()] != '/') {
      return bad_format("setElementOrder list");
    }
    const auto name = std::string_view(directive).substr(kOrderPrefix.size() + 1);
    const auto field = field_of(type, name);
    if (field.is_merged) {  // a replaced list has the order of the patch
      TRY_STATUS(merge_ordered_list(target, patch, name, order.get_array(), field));
    }
  }
  return ok();
}

Status Merger::merge_ordered_list(TreeObject& target,
                                  TreeObject& patch,
                                  std::string_view name,
                                  const TreeArray& order,
                                  const MergeRules::Field& field) {
  const Tree* old_value = target.if_contains(as_boost(name));
  Tree* change = patch.if_contains(as_boost(name));
  if (change != nullptr && change->is_null()) {
    return ok();  // deletes the list: merge_member does it
  }
  if ((old_value == nullptr || old_value->is_null()) && change == nullptr) {
    return ok();
  }
  if ((old_value != nullptr && !old_value->is_array() && !old_value->is_null()) ||
      (change != nullptr && !change->is_array())) {
    return Error{Code::malformed, "expected a list in " + std::string(name)};
  }
  const TreeArray live =
      old_value != nullptr && old_value->is_array() ? old_value->get_array() : TreeArray();
  TreeArray merged = live;
  if (change != nullptr) {
    TRY_STATUS(check_element_order(change->get_array(), order, field.merge_key));
    TRY(merged, merge_list(live, std::move(change->get_array()), field));
    erase_member(patch, name);
  }
  TRY(auto ordered, order_elements(std::move(merged), order, live, field.merge_key));
  target[as_boost(name)] = std::move(ordered);
  return ok();
}

Status Merger::merge_member(TreeObject& target,
                            std::string_view name,
                            Tree patch,
                            MergeRules::Type type) {
  if (patch.is_null()) {
    erase_member(target, name);
    return ok();
  }
  Tree* old_value = target.if_contains(as_boost(name));
  const bool is_object = old_value != nullptr && old_value->is_object() && patch.is_object();
  const bool is_list = old_value != nullptr && old_value->is_array() && patch.is_array();
  if (is_object || is_list) {
    const auto field = field_of(type, name);
    if (is_object && !field.is_replaced) {
      return merge_object(*old_value, std::move(patch), field.type);
    }
    if (is_list && field.is_merged) {
      TRY(auto merged,
          merge_list(std::move(old_value->get_array()), std::move(patch.get_array()), field));
      *old_value = std::move(merged);
      return ok();
    }
  }
  if (clean(patch)) {
    target[as_boost(name)] = std::move(patch);
  } else {
    erase_member(target, name);
  }
  return ok();
}

Status Merger::delete_from_list(TreeObject& target, std::string_view name, const Tree& values) {
  Tree* list = target.if_contains(as_boost(name));
  if (list == nullptr || !list->is_array() || !values.is_array()) {
    return ok();
  }
  const auto doomed = element_keys(values.get_array());
  TreeArray kept;
  for (auto& element : list->get_array()) {
    if (!doomed.contains(to_json(element))) {
      kept.push_back(std::move(element));
    }
  }
  *list = std::move(kept);
  return ok();
}

Result<TreeArray> Merger::merge_list(TreeArray target,
                                     TreeArray patch,
                                     const MergeRules::Field& field) {
  if (target.empty() && patch.empty()) {
    return target;
  }
  TRY(const bool is_objects, holds_objects(target, patch));
  if (!is_objects) {
    return merge_scalars(std::move(target), std::move(patch));
  }
  if (field.merge_key.empty()) {
    return Error{Code::malformed, "cannot merge lists without merge key"};
  }
  return merge_elements(std::move(target), std::move(patch), field);
}

Result<TreeArray> Merger::merge_scalars(TreeArray target, TreeArray patch) {
  TreeArray merged;
  ElementKeys seen;
  const TreeArray live = target;
  for (TreeArray* list : {&target, &patch}) {
    for (const auto& element : *list) {
      if (seen.emplace(to_json(element), merged.size()).second) {
        merged.push_back(element);
      }
    }
  }
  return order_elements(std::move(merged), patch, live, "");
}

Result<TreeArray> Merger::merge_elements(TreeArray target,
                                         TreeArray patch,
                                         const MergeRules::Field& field) {
  TRY(auto split, split_directives(std::move(patch), field.merge_key));
  if (split.is_replacement) {
    target.clear();
  }
  TreeArray merged;
  ElementKeys places;
  for (auto& element : target) {
    TRY(auto key, element_key(element, field.merge_key));
    if (!split.deleted.contains(key)) {
      places.emplace(std::move(key), merged.size());
      merged.push_back(std::move(element));
    }
  }
  const TreeArray live = merged;
  const TreeArray order = split.changed;
  for (auto& change : split.changed) {
    TRY(auto key, element_key(change, field.merge_key));
    const auto [place, is_new] = places.emplace(std::move(key), merged.size());
    if (!is_new) {
      TRY_STATUS(merge_object(merged[place->second], std::move(change), field.type));
    } else if (clean(change)) {
      merged.push_back(std::move(change));
    }
  }
  return order_elements(std::move(merged), order, live, field.merge_key);
}

}  // namespace

Status apply_strategic_merge(Tree& target,
                             Tree patch,
                             const MergeRules& rules,
                             MergeRules::Type type) {
  if (!patch.is_object()) {
    return Error{Code::malformed, "invalid JSON document"};
  }
  return Merger(rules).merge_object(target, std::move(patch), type);
}

}  // namespace tetrarch::object
