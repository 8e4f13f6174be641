// SPDX-License-Identifier: Apache-2.0
// The OpenAPI 2 document as a tree, before it is printed. Internal to the room (Tree in the
// header).
#pragma once

#include "object/tree.h"
#include "schema/catalog.h"
#include "schema/openapi.h"

namespace tetrarch::schema {

object::TreeObject openapi_v2_tree(const Catalog& catalog, const std::vector<ForeignApi>& others);

}  // namespace tetrarch::schema
