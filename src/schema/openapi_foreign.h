// SPDX-License-Identifier: Apache-2.0
// What another server says of its API in OpenAPI 2, taken into our document. It may say anything:
// only what our writers know is taken, in the types that they expect. Internal to the room (Tree in
// the header).
#pragma once

#include "object/tree.h"
#include "schema/openapi.h"

namespace tetrarch::schema {

/// Paths below the root, and definitions whose names are free. What is there already stays.
void add_foreign(object::TreeObject& document, const ForeignApi& from);

}  // namespace tetrarch::schema
