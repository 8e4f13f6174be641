// SPDX-License-Identifier: Apache-2.0
// Text from outside JSON (paths and parameters of requests, what programs print) may be any bytes;
// JSON may not. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tetrarch {

/// Source: RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF.
bool is_utf8(std::string_view text);
/// The text, with U+FFFD for each byte that belongs to no character.
std::string to_utf8(std::string_view text);
/// As many whole characters as `bytes_max` hold, of a text that is UTF-8.
std::string_view utf8_head(std::string_view text, std::size_t bytes_max);

}  // namespace tetrarch
