// SPDX-License-Identifier: Apache-2.0
#include "schema/builtin_tables.h"
#include "schema/catalog.h"

namespace tetrarch::schema {

Result<std::unique_ptr<Catalog>> Catalog::load_builtin() {
  return load(builtin_tables());
}

}  // namespace tetrarch::schema
