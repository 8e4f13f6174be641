// SPDX-License-Identifier: Apache-2.0
// Base64 and hex text forms of bytes.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tetrarch {

std::string base64_encode(std::string_view bytes);
/// Standard alphabet with padding (RFC 4648 section 4); line breaks are skipped.
Result<std::string> base64_decode(std::string_view text);
/// URL alphabet without padding (RFC 4648 section 5), as JWT uses it.
std::string base64url_encode(std::string_view bytes);
Result<std::string> base64url_decode(std::string_view text);
std::string hex_encode(std::string_view bytes);
/// Percent-decoding of one URL component; '+' becomes a space only where `plus_is_space`.
Result<std::string> percent_decode(std::string_view text, bool plus_is_space);
/// Percent-encodes all but the unreserved characters (RFC 3986 section 2.3).
std::string percent_encode(std::string_view text);

}  // namespace tetrarch
