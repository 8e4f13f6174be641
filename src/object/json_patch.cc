// SPDX-License-Identifier: Apache-2.0
// Behaviour and sentences are those of kube-apiserver, where they differ from the RFC too: an index
// may count from the end (-1), `replace` of a missing member adds it, a missing `value` is null.
// Source: evanphx/json-patch v4.12, patch.go, which kube-apiserver links.
#include "object/json_patch.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "object/path.h"

namespace tetrarch::object {
namespace {

constexpr std::string_view kMissing = "missing value";
constexpr std::string_view kTestFailed = "test failed";
/// Documents nest at most 512 deep; between two measurements a patch may go to this bound, which no
/// stack minds.
constexpr std::size_t kDepthMax = 512;
constexpr std::size_t kDepthUnmeasuredMax = 2048;

boost::json::string_view as_boost(std::string_view text) {
  return {text.data(), text.size()};
}

std::string quoted(std::string_view text) {
  return "'" + std::string(text) + "'";
}

Error failure(std::string what, std::string_view cause) {
  return {Code::invalid, std::move(what) + ": " + std::string(cause)};
}

/// A place: an object or list, and the member or index in it.
struct Place {
  Tree* container = nullptr;  ///< nullptr: the way there does not exist
  std::string key;
  std::size_t depth = 0;  ///< steps from the root
};

/// The index that `key` means in a list; nullopt: not a number. May be out of range.
std::optional<std::int64_t> index_of(std::string_view key, std::int64_t size) {
  std::int64_t index = 0;
  const auto [rest, error] = std::from_chars(key.data(), key.data() + key.size(), index);
  if (error != std::errc{} || rest != key.data() + key.size()) {
    return std::nullopt;
  }
  return index < 0 ? index + size : index;
}

std::string bad_index(std::string_view key) {
  return "Unable to access invalid index: " + std::string(key) + ": invalid index referenced";
}

Result<std::int64_t> checked_index(std::string_view key, std::int64_t size, std::int64_t last) {
  const auto index = index_of(key, size);
  if (!index) {
    return Error{Code::invalid, "value was not a proper array index: " + quoted(key)};
  }
  if (*index < 0 || *index > last) {
    return Error{Code::invalid, bad_index(key)};
  }
  return *index;
}

/// The value at a place; nullptr in an object that has no such member.
Result<Tree*> get(const Place& place) {
  if (auto* object = place.container->if_object()) {
    return object->if_contains(as_boost(place.key));
  }
  auto& list = place.container->get_array();
  const auto size = static_cast<std::int64_t>(list.size());
  TRY(const auto index, checked_index(place.key, size, size - 1));
  return &list[static_cast<std::size_t>(index)];
}

Status add(const Place& place, Tree value) {
  if (auto* object = place.container->if_object()) {
    (*object)[as_boost(place.key)] = std::move(value);
    return ok();
  }
  auto& list = place.container->get_array();
  if (place.key == "-") {
    list.push_back(std::move(value));
    return ok();
  }
  const auto size = static_cast<std::int64_t>(list.size());
  TRY(const auto index, checked_index(place.key, size + 1, size));
  list.insert(list.begin() + index, std::move(value));
  return ok();
}

Status remove(const Place& place) {
  if (auto* object = place.container->if_object()) {
    if (!erase_member(*object, place.key)) {
      return failure("Unable to remove nonexistent key: " + place.key, kMissing);
    }
    return ok();
  }
  auto& list = place.container->get_array();
  const auto size = static_cast<std::int64_t>(list.size());
  TRY(const auto index, checked_index(place.key, size, size - 1));
  list.erase(list.begin() + index);
  return ok();
}

class Patcher {
 public:
  explicit Patcher(Tree& root) : root_(root), depth_bound_(depth_of(root)) {}

  Status apply(View operation);
  Status check_depth();

 private:
  Status apply_add(const std::string& path, View operation);
  Status apply_remove(const std::string& path);
  Status apply_replace(const std::string& path, View operation);
  Status apply_move(const std::string& path, const std::string& from);
  Status apply_copy(const std::string& path, const std::string& from);
  Status apply_test(const std::string& path, View operation);

  Place find_place(std::string_view path);
  Tree take_value(View operation, std::size_t at_depth);

  void note_depth(std::size_t depth) { depth_bound_ = std::max(depth_bound_, depth); }

  Tree& root_;
  std::size_t depth_bound_;  ///< the tree nests at most so deep
  std::size_t copied_bytes_ = 0;
};

Place Patcher::find_place(std::string_view path) {
  auto steps = parse_pointer(path);
  if (!steps.ok() || steps->empty()) {
    return {};
  }
  Tree* at = &root_;
  for (std::size_t i = 0; i + 1 < steps->size() && at != nullptr; ++i) {
    if (!at->is_object() && !at->is_array()) {
      return {};
    }
    auto next = get(Place{at, (*steps)[i]});
    at = next.ok() ? *next : nullptr;
  }
  if (at == nullptr || (!at->is_object() && !at->is_array())) {
    return {};
  }
  return {at, std::move(steps->back()), steps->size()};
}

Tree Patcher::take_value(View operation, std::size_t at_depth) {
  Tree value = to_tree(operation["value"]);
  note_depth(at_depth + depth_of(value));
  return value;
}

Status Patcher::apply_add(const std::string& path, View operation) {
  const Place place = find_place(path);
  if (place.container == nullptr) {
    return failure("add operation does not apply: doc is missing path: \"" + path + "\"", kMissing);
  }
  if (auto added = add(place, take_value(operation, place.depth)); !added.ok()) {
    return failure("error in add for path: " + quoted(path), added.error().message);
  }
  return ok();
}

Status Patcher::apply_remove(const std::string& path) {
  const Place place = find_place(path);
  if (place.container == nullptr) {
    return failure("remove operation does not apply: doc is missing path: \"" + path + "\"",
                   kMissing);
  }
  if (auto removed = remove(place); !removed.ok()) {
    return failure("error in remove for path: " + quoted(path), removed.error().message);
  }
  return ok();
}

Status Patcher::apply_replace(const std::string& path, View operation) {
  if (path.empty()) {
    Tree value = take_value(operation, 0);
    if (!value.is_object() && !value.is_array()) {
      return Error{Code::invalid, "replace operation value must be object or array"};
    }
    root_ = std::move(value);
    return ok();
  }
  const Place place = find_place(path);
  if (place.container == nullptr) {
    return failure("replace operation does not apply: doc is missing path: " + path, kMissing);
  }
  const auto old_value = get(place);
  if (!old_value.ok()) {
    return failure("replace operation does not apply: doc is missing key: " + path, kMissing);
  }
  Tree value = take_value(operation, place.depth);
  if (*old_value == nullptr) {
    return add(place, std::move(value));
  }
  **old_value = std::move(value);
  return ok();
}

Status Patcher::apply_move(const std::string& path, const std::string& from) {
  const Place source = find_place(from);
  if (source.container == nullptr) {
    return failure("move operation does not apply: doc is missing from path: " + from, kMissing);
  }
  auto found = get(source);
  if (!found.ok()) {
    return failure("error in move for path: " + quoted(source.key), found.error().message);
  }
  if (*found == nullptr) {
    return failure("error in move for path: " + quoted(source.key) +
                       ": Unable to remove nonexistent key: " + source.key,
                   kMissing);
  }
  Tree value = std::move(**found);
  if (auto removed = remove(source); !removed.ok()) {
    return failure("error in move for path: " + quoted(source.key), removed.error().message);
  }
  const Place place = find_place(path);
  if (place.container == nullptr) {
    return failure("move operation does not apply: doc is missing destination path: " + path,
                   kMissing);
  }
  note_depth(place.depth + depth_bound_ - std::min(depth_bound_, source.depth));
  if (auto added = add(place, std::move(value)); !added.ok()) {
    return failure("error in move for path: " + quoted(path), added.error().message);
  }
  return ok();
}

Status Patcher::apply_copy(const std::string& path, const std::string& from) {
  const Place source = find_place(from);
  if (source.container == nullptr) {
    return failure("copy operation does not apply: doc is missing from path: " + from, kMissing);
  }
  const auto found = get(source);
  if (!found.ok()) {
    return failure("error in copy for from: " + quoted(from), found.error().message);
  }
  Tree value = *found == nullptr ? Tree() : **found;
  const Place place = find_place(path);
  if (place.container == nullptr) {
    return failure("copy operation does not apply: doc is missing destination path: " + path,
                   kMissing);
  }
  copied_bytes_ += to_json(value).size();
  if (copied_bytes_ > kPatchCopiedBytesMax) {
    return Error{Code::too_large,
                 "Unable to complete the copy, the accumulated size increase of copy is " +
                     std::to_string(copied_bytes_) + ", exceeding the limit " +
                     std::to_string(kPatchCopiedBytesMax)};
  }
  note_depth(place.depth + depth_of(value));
  if (auto added = add(place, std::move(value)); !added.ok()) {
    return failure("error while adding value during copy", added.error().message);
  }
  return ok();
}

Status Patcher::apply_test(const std::string& path, View operation) {
  const Tree* actual = &root_;
  if (!path.empty()) {
    const Place place = find_place(path);
    if (place.container == nullptr) {
      return failure("test operation does not apply: is missing path: " + path, kMissing);
    }
    const auto found = get(place);
    if (!found.ok()) {
      return failure("error in test for path: " + quoted(path), found.error().message);
    }
    actual = *found;
  }
  const Tree expected = to_tree(operation["value"]);
  if (actual == nullptr ? expected.is_null() : same_value(*actual, expected)) {
    return ok();
  }
  return failure("testing value " + path + " failed", kTestFailed);
}

Status Patcher::check_depth() {
  depth_bound_ = depth_of(root_);
  if (depth_bound_ > kDepthMax) {
    return Error{Code::invalid, "the patch nests objects and lists more than 512 deep"};
  }
  return ok();
}

Status Patcher::apply(View operation) {
  const View path_view = operation["path"];
  const View from_view = operation["from"];
  const std::string kind(operation["op"].string("unknown"));
  const bool has_source = kind == "move" || kind == "copy";
  if (!path_view.is_string()) {
    return failure(kind + " operation failed to decode path", kMissing);
  }
  if (has_source && !from_view.is_string()) {
    return failure(kind + " operation failed to decode from", kMissing);
  }
  const std::string path(path_view.string());
  const std::string from(from_view.string());
  const auto run = [&]() -> Status {
    if (kind == "add") {
      return apply_add(path, operation);
    }
    if (kind == "remove") {
      return apply_remove(path);
    }
    if (kind == "replace") {
      return apply_replace(path, operation);
    }
    if (kind == "move") {
      return apply_move(path, from);
    }
    if (kind == "copy") {
      return apply_copy(path, from);
    }
    if (kind == "test") {
      return apply_test(path, operation);
    }
    return Error{Code::invalid, "Unexpected kind: " + kind};
  };
  TRY_STATUS(run());
  return depth_bound_ > kDepthUnmeasuredMax ? check_depth() : ok();
}

std::string_view go_type_name(View view) {
  switch (view.kind()) {
    case Kind::object:
      return "object";
    case Kind::array:
      return "array";
    case Kind::string:
      return "string";
    case Kind::number:
      return "number";
    case Kind::boolean:
      return "bool";
    default:
      return "null";
  }
}

}  // namespace

Status apply_json_patch(Tree& target, View operations) {
  const auto refusal = [](View view, std::string_view type) {
    return Error{Code::malformed,
                 "json: cannot unmarshal " + std::string(go_type_name(view)) +
                     " into Go value of type jsonpatch." + std::string(type)};
  };
  if (!operations.is_array()) {
    return refusal(operations, "Patch");
  }
  if (const auto count = operations.size(); count > kPatchOperationsMax) {
    return Error{Code::too_large,
                 "The allowed maximum operations in a JSON patch is " +
                     std::to_string(kPatchOperationsMax) + ", got " + std::to_string(count)};
  }
  for (const View operation : operations.elements()) {
    if (!operation.is_object()) {
      return refusal(operation, "Operation");
    }
  }
  Patcher patcher(target);
  for (const View operation : operations.elements()) {
    TRY_STATUS(patcher.apply(operation));
  }
  return patcher.check_depth();
}

}  // namespace tetrarch::object
