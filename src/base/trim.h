// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace tetrarch {

/// Without the blanks at both ends.
std::string_view trim(std::string_view text, std::string_view blanks = " \t");

}  // namespace tetrarch
