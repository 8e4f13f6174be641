// SPDX-License-Identifier: Apache-2.0
// JSON merge patch (RFC 7386), and its inverse: the patch that makes one value from another.
#pragma once

#include "base/result.h"
#include "object/document.h"
#include "object/tree.h"

namespace tetrarch::object {

/// Merges `patch` into `target`; null deletes a member, lists are replaced.
/// Error (Code::malformed): the patch is no object, which no API object can be merged with.
Status apply_merge_patch(Tree& target, View patch);

/// The smallest merge patch that turns `from` into `to` (both objects).
Tree make_merge_patch(View from, View to);

}  // namespace tetrarch::object
