// SPDX-License-Identifier: Apache-2.0
// JSON patch: a list of operations (RFC 6902).
#pragma once

#include <cstddef>

#include "base/result.h"
#include "object/document.h"
#include "object/tree.h"

namespace tetrarch::object {

inline constexpr std::size_t kPatchOperationsMax = 10'000;
/// What `copy` operations may add, in bytes of JSON.
inline constexpr std::size_t kPatchCopiedBytesMax = std::size_t{3} << 20;

/// Applies the operations in order. Errors: Code::malformed (no list of operations),
/// Code::too_large (limits), Code::invalid (an operation does not apply, or a test failed), with
/// the sentence a kube-apiserver prints. On an Error `target` may be half patched: patch a copy.
Status apply_json_patch(Tree& target, View operations);

}  // namespace tetrarch::object
