// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace tetrarch::app {

inline constexpr std::string_view kVersion = "0.1.0";
inline constexpr std::string_view kKubernetesVersion = "v1.35";

}  // namespace tetrarch::app
