// SPDX-License-Identifier: Apache-2.0
#include "schema/openapi.h"

#include "object/tree.h"
#include "schema/openapi_foreign.h"
#include "schema/openapi_paths.h"
#include "schema/openapi_schemas.h"
#include "schema/openapi_v2_tree.h"

namespace tetrarch::schema {

namespace {

using object::TreeObject;

TreeObject info() {
  return {{"title", "Tetrarch"}, {"version", "v1"}};
}

std::vector<const Kind*> kinds_of(const Catalog& catalog,
                                  std::string_view group,
                                  std::string_view version) {
  std::vector<const Kind*> kinds;
  for (const auto& kind : catalog.kinds()) {
    if (kind->group == group && kind->version == version && !kind->is_of_any_group) {
      kinds.push_back(kind.get());
    }
  }
  return kinds;
}

}  // namespace

TreeObject openapi_v2_tree(const Catalog& catalog, const std::vector<ForeignApi>& others) {
  std::vector<const Kind*> kinds;
  for (const auto& kind : catalog.kinds()) {
    kinds.push_back(kind.get());
  }
  TreeObject out{{"swagger", "2.0"},
                 {"info", info()},
                 {"paths", paths_of(OpenApi::v2, catalog, kinds)},
                 {"definitions", schemas_of(OpenApi::v2, catalog, kinds)}};
  for (const auto& other : others) {
    add_foreign(out, other);
  }
  return out;
}

std::string openapi_v2_json(const Catalog& catalog, const std::vector<ForeignApi>& others) {
  return object::to_json(openapi_v2_tree(catalog, others));
}

std::string openapi_v3(const Catalog& catalog, std::string_view group, std::string_view version) {
  const auto kinds = kinds_of(catalog, group, version);
  if (kinds.empty()) {
    return {};
  }
  auto described = kinds;
  for (const auto* kind : kinds) {
    for (const auto& subresource : kind->subresources) {
      described.push_back(&subresource_body(catalog, *kind, subresource));
    }
  }
  const TreeObject components{{"schemas", schemas_of(OpenApi::v3, catalog, described)}};
  return object::to_json(TreeObject{{"openapi", "3.0.0"},
                                    {"info", info()},
                                    {"paths", paths_of(OpenApi::v3, catalog, kinds)},
                                    {"components", components}});
}

}  // namespace tetrarch::schema
