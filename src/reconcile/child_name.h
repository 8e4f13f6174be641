// SPDX-License-Identifier: Apache-2.0
// Names of children, deterministic: who plans on a stale view plans the same name again, and the
// store refuses it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tetrarch::reconcile {

/// `length` characters of Kubernetes' name alphabet that depend on nothing but the seed.
std::string name_suffix(std::string_view seed, std::size_t length);
/// "web-7d4b9c" and a seed: "web-7d4b9c-x2k5p". At most 63 characters: a long prefix is cut.
std::string child_name(std::string_view prefix, std::string_view seed);

}  // namespace tetrarch::reconcile
