// SPDX-License-Identifier: Apache-2.0
// JSON Schemas of the types, in the dialects of OpenAPI 2 and 3. Internal to the room (Tree in the
// header).
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "object/tree.h"
#include "schema/catalog.h"

namespace tetrarch::schema {

enum class OpenApi : std::uint8_t { v2, v3 };

/// {"$ref": "#/definitions/<full name>"}, or the place of version 3.
object::TreeObject schema_reference(OpenApi version, std::string_view full_name);
/// [{"group": …, "kind": …, "version": …}]'s element.
object::TreeObject group_version_kind(std::string_view group,
                                      std::string_view version,
                                      std::string_view kind);
/// io.k8s.api.apps.v1.DeploymentList
std::string list_type_name(const Kind& kind);
/// Whether kinds of it are listed, and so have a list type.
bool has_list(const Kind& kind);

/// Schemas of these kinds, their lists and all that they are made of, by full name and in that
/// order.
object::TreeObject schemas_of(OpenApi version,
                              const Catalog& catalog,
                              const std::vector<const Kind*>& kinds);

}  // namespace tetrarch::schema
