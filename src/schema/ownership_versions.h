// SPDX-License-Identifier: Apache-2.0
// Objects in the version that a manager spoke. Internal to the room.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "object/document.h"
#include "schema/catalog.h"
#include "schema/fields.h"
#include "schema/ownership.h"

namespace tetrarch::schema {

/// The same kind in "apps/v1"; nullptr: it is not served.
const Kind* sibling_kind(const Catalog& catalog, const Kind& kind, std::string_view api_version);

/// An absent view stays absent: a null document.
Result<DocumentPtr> in_version(object::View view, const Kind& from, const Kind& to);

inline object::View root_of(const DocumentPtr& document) {
  return document == nullptr ? object::View() : document->root();
}

/// What a change is in each version of the kind; compared at the first question.
class VersionedChanges {
 public:
  /// `change` outlives it.
  explicit VersionedChanges(const OwnedChange& change);

  /// In the version of the caller.
  const FieldChanges& own() const { return own_; }

  /// nullptr: that version is not served any more.
  const FieldChanges* in(const std::string& api_version);

 private:
  std::optional<FieldChanges> compared_in(const std::string& api_version) const;

  const OwnedChange& change_;
  FieldChanges own_;
  std::map<std::string, std::optional<FieldChanges>> others_;
};

}  // namespace tetrarch::schema
