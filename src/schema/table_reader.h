// SPDX-License-Identifier: Apache-2.0
// Reads the schema language (schema/README.md) line by line. Used by Catalog::load only; the
// build's generator runs the same code.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "schema/catalog.h"

namespace tetrarch::schema {

struct Tables {
  std::vector<std::unique_ptr<Kind>> kinds;
  std::vector<std::unique_ptr<Type>> types;
};

/// All names are resolved: a type is looked for in the file's own package, then in meta, then in
/// core.
Result<Tables> read_tables(const std::vector<std::pair<std::string, std::string>>& files);

}  // namespace tetrarch::schema
