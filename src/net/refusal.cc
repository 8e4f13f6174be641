// SPDX-License-Identifier: Apache-2.0
#include "net/refusal.h"

#include <boost/beast/http/error.hpp>

namespace tetrarch::net {

namespace http = boost::beast::http;

int refusal_of(const ParseError& error) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return 431;
  }
  if (error == http::error::body_limit) {
    return 413;
  }
  return error == http::error::bad_version ? 505 : 400;
}

std::string message_of(int refusal, const ParseError& error, const ServerOptions& options) {
  switch (refusal) {
    case 431:
      return "the request's header is larger than " + std::to_string(options.header_bytes_max) +
             " bytes";
    case 413:
      // Source: the words of a kube-apiserver, which users know; other dialects say no more.
      return "Request entity too large: limit is " + std::to_string(options.body_bytes_max);
    case 417:
      return "the only expectation met here is 100-continue";
    case 501:
      return "the only transfer coding here is chunked";
    case 505:
      return "this server speaks HTTP/1.1";
    default:
      return "the request cannot be read as HTTP/1.1: " + error.message();
  }
}

}  // namespace tetrarch::net
