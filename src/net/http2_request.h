// SPDX-License-Identifier: Apache-2.0
// From the header fields of HTTP/2 to the Request that handlers know. Inside net only.
#pragma once

#include <string_view>

#include "net/http2_stream.h"

namespace tetrarch::net {

/// One decoded field, which the library has found well-formed.
void take_field(Http2Stream& stream, std::string_view name, std::string_view value);

/// Once all fields are there: 0, or the status to refuse the request with.
int check_request(const Request& request, std::uint64_t body_bytes_max);

}  // namespace tetrarch::net
