// SPDX-License-Identifier: Apache-2.0
#include "base/trim.h"

namespace tetrarch {

std::string_view trim(std::string_view text, std::string_view blanks) {
  const auto first = text.find_first_not_of(blanks);
  return first == std::string_view::npos
             ? std::string_view{}
             : text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

}  // namespace tetrarch
