// SPDX-License-Identifier: Apache-2.0
// Rules of metadata, the same for every kind. Internal to the room.
#pragma once

#include "schema/catalog.h"
#include "schema/problems.h"

namespace tetrarch::schema {

void check_metadata(Problems& problems, const Kind& kind, const Site& site);

}  // namespace tetrarch::schema
