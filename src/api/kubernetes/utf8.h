// SPDX-License-Identifier: Apache-2.0
// What a client sends outside JSON (paths, parameters) may be any bytes; what it is answered is
// JSON, which may not. Pure.
#pragma once

#include <string>
#include <string_view>

namespace tetrarch::api::kubernetes {

/// Source: RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF.
bool is_utf8(std::string_view text);
/// The text, with U+FFFD for each byte that belongs to no character.
std::string to_utf8(std::string_view text);

}  // namespace tetrarch::api::kubernetes
