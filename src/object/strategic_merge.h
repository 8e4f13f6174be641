// SPDX-License-Identifier: Apache-2.0
// Strategic merge patch: a merge patch that knows, from the schema, which lists are merged by a key
// and which are replaced. MergeRules is what it asks the schema; the room schema implements it.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "object/tree.h"

namespace tetrarch::object {

/// A seam: the built-in tables, CRD schemas and tests answer it. Thread-safe; immutable while a
/// patch runs.
class MergeRules {
 public:
  /// What a value is, in the answerer's own terms (for instance a schema::TypeRef). nullptr:
  /// nothing is known of it, or it is free JSON: objects merge member by member, lists are
  /// replaced.
  using Type = const void*;

  struct Field {
    Type type = nullptr;  ///< of the value, if it is an object; of the elements, if it is a list
    std::string_view merge_key =
        {};  ///< x-kubernetes-patch-merge-key; empty in a merged list: a list of scalars
    bool is_merged = false;  ///< patch strategy lists "merge": a list is merged, not replaced
    bool is_replaced =
        false;  ///< patch strategy lists "replace": an object is replaced, not merged
  };

  virtual ~MergeRules() = default;
  /// The rules of member `name` of an object of `type` (never nullptr). Unknown member: Field{}.
  /// Of a map from strings: the same for every name.
  virtual Field field(Type type, std::string_view name) const = 0;
};

/// Applies `patch` to `target`, an object of `type`. Directives: `$patch: delete | replace |
/// merge`,
/// `$deleteFromPrimitiveList/<list>`, `$setElementOrder/<list>`, `$retainKeys`. A null deletes its
/// member. On an Error (Code::malformed: the patch is at fault) `target` may be half patched: patch
/// a copy.
Status apply_strategic_merge(Tree& target,
                             Tree patch,
                             const MergeRules& rules,
                             MergeRules::Type type);

}  // namespace tetrarch::object
