// SPDX-License-Identifier: Apache-2.0
// From one version of a kind to another: today core Events and those of events.k8s.io, which are
// stored in core form.
#pragma once

#include "base/result.h"
#include "object/document.h"
#include "schema/catalog.h"

namespace tetrarch::schema {

/// `object` is canonical and of kind `from`; so is the answer, of kind `to`. Error
/// (Code::malformed): no conversion is known.
Result<DocumentPtr> convert(object::View object, const Kind& from, const Kind& to);

}  // namespace tetrarch::schema
