// SPDX-License-Identifier: Apache-2.0
// Prints the header of typed views of one group of tables.
#pragma once

#include <string>
#include <string_view>

#include "schema/catalog.h"

namespace tetrarch::schema_views {

/// `group` is the first part of the tables' file names: core, apps …
std::string views_header(const schema::Catalog& catalog, std::string_view group);

}  // namespace tetrarch::schema_views
