// SPDX-License-Identifier: Apache-2.0
// Requests of anybody: the parser takes any bytes in pieces of any size and neither crashes nor
// takes more than its limits.
#include "base/check.h"
#include "input.h"
#include "net/request_parser.h"
#include "pieces.h"

using namespace tetrarch;

/// The first byte: how long the pieces are.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::size_t piece = input.byte() + 1;
  const net::ParseLimits limits{4096, 4096, 50};
  net::RequestParser parser(limits);
  fuzz::parse_in_pieces(parser, input.rest(), piece);
  const auto& request = parser.request();
  CHECK(request.body.size() <= limits.body_bytes);
  CHECK(request.headers.list().size() <= limits.headers);
  return 0;
}
