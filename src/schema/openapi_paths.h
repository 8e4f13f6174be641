// SPDX-License-Identifier: Apache-2.0
// The paths and operations of kinds, in the dialects of OpenAPI 2 and 3. Internal to the room (Tree
// in the header).
#pragma once

#include <string_view>
#include <vector>

#include "object/tree.h"
#include "schema/catalog.h"
#include "schema/openapi_schemas.h"

namespace tetrarch::schema {

object::TreeObject paths_of(OpenApi version,
                            const Catalog& catalog,
                            const std::vector<const Kind*>& kinds);

/// What a subresource of `kind` reads and writes: the kind itself, or Scale, Binding, Eviction,
/// TokenRequest.
const Kind& subresource_body(const Catalog& catalog,
                             const Kind& kind,
                             std::string_view subresource);

}  // namespace tetrarch::schema
