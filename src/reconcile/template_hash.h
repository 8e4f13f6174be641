// SPDX-License-Identifier: Apache-2.0
// A short text that depends on what a pod template means and on nothing else: part of the names of
// what is made for it. Heavy header (trees): for .cc files.
#pragma once

#include <cstdint>
#include <string>

#include "object/tree.h"

namespace tetrarch::reconcile {

/// `collisions`: how often the name that follows from it was taken by something else.
std::string hash_of_template(const object::Tree& source, std::int64_t collisions);

}  // namespace tetrarch::reconcile
