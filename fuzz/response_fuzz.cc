// SPDX-License-Identifier: Apache-2.0
// Answers of a server that need not be ours (a pod that is probed, a webhook): the parser takes any
// bytes in pieces of any size and never more than its limit.
#include "base/check.h"
#include "input.h"
#include "net/response_parser.h"
#include "pieces.h"

using namespace tetrarch;

namespace {

constexpr std::uint64_t kBodyMax = 4096;

}  // namespace

/// The first byte: how long the pieces are; the second: whether HEAD was asked.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::size_t piece = input.byte() + 1;
  net::ResponseParser parser(input.byte() % 2 == 1, kBodyMax);
  fuzz::parse_in_pieces(parser, input.rest(), piece);
  boost::system::error_code error;
  if (!parser.is_done()) {
    parser.put_eof(error);
  }
  CHECK(parser.response().body.size() <= kBodyMax);
  return 0;
}
