// SPDX-License-Identifier: Apache-2.0
#include "object/merge_patch.h"

#include <string_view>
#include <utility>

#include "object/path.h"

namespace tetrarch::object {
namespace {

boost::json::string_view as_boost(std::string_view text) {
  return {text.data(), text.size()};
}

// Source: RFC 7386, section 2, MergePatch.
void merge_object(TreeObject& target, View patch) {
  for (const auto [name, value] : patch.members()) {
    if (!value) {
      erase_member(target, name);
      continue;
    }
    Tree& slot = target[as_boost(name)];
    if (!value.is_object()) {
      slot = to_tree(value);
      continue;
    }
    if (!slot.is_object()) {
      slot = TreeObject();
    }
    merge_object(slot.get_object(), value);
  }
}

}  // namespace

Status apply_merge_patch(Tree& target, View patch) {
  if (!patch.is_object()) {
    // Source: evanphx/json-patch v4.12, merge.go, ErrBadJSONPatch, as kube-apiserver prints it.
    return Error{Code::malformed, "Invalid JSON Patch"};
  }
  if (!target.is_object()) {
    target = TreeObject();
  }
  merge_object(target.get_object(), patch);
  return ok();
}

Tree make_merge_patch(View from, View to) {
  TreeObject patch;
  for (const auto [name, old_value] : from.members()) {
    if (!to[name]) {
      patch[as_boost(name)] = nullptr;
    }
  }
  for (const auto [name, value] : to.members()) {
    const View old_value = from[name];
    if (!value || value.same_as(old_value)) {
      continue;
    }
    if (!value.is_object() || !old_value.is_object()) {
      patch[as_boost(name)] = to_tree(value);
      continue;
    }
    Tree inner = make_merge_patch(old_value, value);
    if (!inner.get_object().empty()) {
      patch[as_boost(name)] = std::move(inner);
    }
  }
  return patch;
}

}  // namespace tetrarch::object
