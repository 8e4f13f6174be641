// SPDX-License-Identifier: Apache-2.0
#include "schema/ownership_versions.h"

#include "schema/convert.h"

namespace tetrarch::schema {

const Kind* sibling_kind(const Catalog& catalog, const Kind& kind, std::string_view api_version) {
  const auto slash = api_version.find('/');
  const auto* found =
      slash == std::string_view::npos
          ? catalog.find("", api_version, kind.kind)
          : catalog.find(api_version.substr(0, slash), api_version.substr(slash + 1), kind.kind);
  return found != nullptr && found->resource == kind.resource ? found : nullptr;
}

Result<DocumentPtr> in_version(object::View view, const Kind& from, const Kind& to) {
  if (!view.exists()) {
    return DocumentPtr();
  }
  return convert(view, from, to);
}

VersionedChanges::VersionedChanges(const OwnedChange& change)
    : change_(change),
      own_(compare_fields(*change.kind.type, change.old, change.fresh, change.ignored)) {}

const FieldChanges* VersionedChanges::in(const std::string& api_version) {
  if (api_version == change_.kind.api_version()) {
    return &own_;
  }
  auto at = others_.find(api_version);
  if (at == others_.end()) {
    at = others_.emplace(api_version, compared_in(api_version)).first;
  }
  return at->second ? &*at->second : nullptr;
}

std::optional<FieldChanges> VersionedChanges::compared_in(const std::string& api_version) const {
  const auto* kind = sibling_kind(change_.catalog, change_.kind, api_version);
  if (kind == nullptr) {
    return std::nullopt;
  }
  const auto old = in_version(change_.old, change_.kind, *kind);
  const auto fresh = in_version(change_.fresh, change_.kind, *kind);
  if (!old.ok() || !fresh.ok()) {
    return std::nullopt;
  }
  return compare_fields(*kind->type, root_of(*old), root_of(*fresh), change_.ignored);
}

}  // namespace tetrarch::schema
