// SPDX-License-Identifier: Apache-2.0
// The built-in kinds, for the targets that need them.
#pragma once

#include "schema/catalog.h"

namespace tetrarch::fuzz {

inline const schema::Catalog& catalog() {
  static const auto loaded = schema::Catalog::load_builtin().value();
  return *loaded;
}

}  // namespace tetrarch::fuzz
