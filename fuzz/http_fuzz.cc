// SPDX-License-Identifier: Apache-2.0
// Requests of anybody: the parser takes any bytes in pieces of any size and neither crashes nor
// takes more than its limits.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include <boost/asio/buffer.hpp>

#include "net/request_parser.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::size_t piece = data[0] + std::size_t{1};
  ++data;
  --size;
  const tetrarch::net::ParseLimits limits{4096, 4096, 50};
  tetrarch::net::RequestParser parser(limits);
  std::size_t begin = 0;
  std::size_t end = 0;
  while (!parser.is_done() && begin < size) {
    end = std::min(size, end + piece);
    boost::system::error_code error;
    const auto used = parser.put(boost::asio::const_buffer(data + begin, end - begin), error);
    begin += used;
    const bool needs_more = error == boost::beast::http::error::need_more;
    if ((error && !needs_more) || (needs_more && end == size)) {
      break;
    }
  }
  const auto& request = parser.request();
  if (request.body.size() > limits.body_bytes || request.headers.list().size() > limits.headers) {
    std::abort();
  }
  return 0;
}
