// SPDX-License-Identifier: Apache-2.0
// Between the versions of one kind. Only this file and versions.cc name the schema's conversion and
// merge rules.
#pragma once

#include <memory>

#include "base/result.h"
#include "object/strategic_merge.h"
#include "schema/catalog.h"

namespace tetrarch::registry {

/// The object in another version of its kind.
Result<DocumentPtr> converted(const schema::Kind& from,
                              const schema::Kind& to,
                              const DocumentPtr& document);

/// Applies a strategic merge patch to an object of that kind.
Status apply_strategic(object::Tree& target, object::View patch, const schema::Kind& kind);

}  // namespace tetrarch::registry
