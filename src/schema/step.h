// SPDX-License-Identifier: Apache-2.0
// Where a walk over an object is, for messages. Steps live on the stack of the walk and are spelled
// out only if something is wrong. Internal to the room.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "schema/catalog.h"

namespace tetrarch::schema {

struct Step {
  const Step* parent = nullptr;
  std::string_view name = {};    ///< of a field, or a key of a map
  std::int64_t index = -1;       ///< in a list
  const Type* holder = nullptr;  ///< the type that has the field; null for a key or an element
};

/// spec.containers[0].name
std::string path_of(const Step& step);

}  // namespace tetrarch::schema
