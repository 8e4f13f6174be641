// SPDX-License-Identifier: Apache-2.0
// Lists that are merged by key: identity of elements, directives among them, and the order of the
// result. The private half of strategic merge patch that looks at lists alone.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"
#include "object/tree.h"

namespace tetrarch::object {

/// From an element's key (JSON text of the value under the merge key, or of the scalar itself) to
/// its place.
using ElementKeys = std::unordered_map<std::string, std::size_t>;

/// `merge_key` empty: elements are scalars and are their own key. Error: the key is missing.
Result<std::string> element_key(const Tree& element, std::string_view merge_key);
/// Of a list of scalars.
ElementKeys element_keys(const TreeArray& list);

/// Whether the lists hold objects, not scalars. Error: lists in lists, or kinds are mixed.
Result<bool> holds_objects(const TreeArray& a, const TreeArray& b);

/// A patch for a merged list of objects, sorted out.
struct SplitPatch {
  TreeArray changed;
  ElementKeys deleted;          ///< `$patch: delete`
  bool is_replacement = false;  ///< `$patch: replace`: nothing of the old list stays
};

Result<SplitPatch> split_directives(TreeArray patch, std::string_view merge_key);

/// Error: what the patch changes comes in another order than `$setElementOrder` says, or is not in
/// it.
Status check_element_order(const TreeArray& patch,
                           const TreeArray& order,
                           std::string_view merge_key);

/// Elements named by `order` come in that order; the others in the order of `live`, each before the
/// first of the former that it preceded there.
Result<TreeArray> order_elements(TreeArray elements,
                                 const TreeArray& order,
                                 const TreeArray& live,
                                 std::string_view merge_key);

}  // namespace tetrarch::object
