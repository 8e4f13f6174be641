// SPDX-License-Identifier: Apache-2.0
// Kinds of which Kubernetes warns: what every answer about them says in a Warning header.
#pragma once

#include <string_view>

#include "schema/catalog.h"

namespace tetrarch::api::kubernetes {

/// Empty: nothing to warn of.
std::string_view deprecation_of(const schema::Kind& kind);

}  // namespace tetrarch::api::kubernetes
