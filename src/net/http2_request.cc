// SPDX-License-Identifier: Apache-2.0
#include "net/http2_request.h"

#include <charconv>

namespace tetrarch::net {

void take_field(Http2Stream& stream, std::string_view name, std::string_view value) {
  auto& request = stream.request;
  if (!name.starts_with(':')) {
    if (name == "expect") {
      stream.wants_continue = equals_ignoring_case(value, "100-continue");
      stream.refusal = stream.wants_continue ? stream.refusal : 417;
    }
    if (name != "host" || !request.headers.contains("Host")) {
      request.headers.add(std::string(name), std::string(value));
    }
    return;
  }
  // Source: RFC 9113 section 8.3.1. The scheme is that of the connection.
  if (name == ":method") {
    request.method = value;
  } else if (name == ":path") {
    const auto question = value.find('?');
    request.path = value.substr(0, question);
    if (question != std::string_view::npos) {
      request.query = value.substr(question + 1);
    }
  } else if (name == ":authority") {
    request.headers.add("Host", std::string(value));
  }
}

int check_request(const Request& request, std::uint64_t body_bytes_max) {
  if (request.path.empty()) {
    return 400;  // CONNECT: this is no proxy
  }
  const auto length = request.headers.get("content-length");
  std::uint64_t size = 0;
  std::from_chars(length.data(), length.data() + length.size(), size);
  return size > body_bytes_max ? 413 : 0;
}

}  // namespace tetrarch::net
