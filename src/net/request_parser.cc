// SPDX-License-Identifier: Apache-2.0
#include "net/request_parser.h"

#include <boost/beast/http/error.hpp>

namespace tetrarch::net {
namespace {

namespace http = boost::beast::http;

/// A body of unknown use is not worth more memory at once than this.
constexpr std::uint64_t kReserveMax = 256 * 1024;

std::string to_string(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace

RequestParser::RequestParser(const ParseLimits& limits) : headers_max_(limits.headers) {
  eager(true);
  header_limit(limits.header_bytes);
  body_limit(limits.body_bytes);
}

void RequestParser::on_request_impl(
    Verb /*verb*/, Text method, Text target, int version, ParseError& error) {
  request_.method = to_string(method);
  is_http10_ = version < 11;
  // Source: RFC 9112 section 3.2.2: a server accepts the absolute form too.
  if (const auto scheme = target.find("://"); scheme != Text::npos && !target.starts_with('/')) {
    const auto slash = target.find('/', scheme + 3);
    target = slash == Text::npos ? Text("/") : target.substr(slash);
  }
  if (!target.starts_with('/') && target != "*") {
    error = http::error::bad_target;
    return;
  }
  const auto question = target.find('?');
  request_.path = to_string(target.substr(0, question));
  if (question != Text::npos) {
    request_.query = to_string(target.substr(question + 1));
  }
}

void RequestParser::on_response_impl(int /*status*/,
                                     Text /*reason*/,
                                     int /*version*/,
                                     ParseError& /*error*/) {}

void RequestParser::on_field_impl(Field field, Text name, Text value, ParseError& error) {
  if (request_.headers.list().size() >= headers_max_) {
    error = http::error::header_limit;
    return;
  }
  if (field == Field::host) {
    ++hosts_;
  } else if (field == Field::expect &&
             equals_ignoring_case({value.data(), value.size()}, "100-continue")) {
    expects_continue_ = true;
  }
  request_.headers.add(to_string(name), to_string(value));
}

void RequestParser::on_header_impl(ParseError& error) {
  // Source: RFC 9112 section 3.2: HTTP/1.1 needs exactly one Host.
  if (hosts_ > 1 || (hosts_ == 0 && !is_http10_)) {
    error = http::error::bad_field;
  }
}

void RequestParser::on_body_init_impl(const boost::optional<std::uint64_t>& length,
                                      ParseError& /*error*/) {
  if (length) {
    request_.body.reserve(static_cast<std::size_t>(std::min(*length, kReserveMax)));
  }
}

std::size_t RequestParser::on_body_impl(Text bytes, ParseError& /*error*/) {
  request_.body.append(bytes.data(), bytes.size());
  return bytes.size();
}

void RequestParser::on_chunk_header_impl(std::uint64_t /*size*/,
                                         Text /*extensions*/,
                                         ParseError& /*error*/) {}

std::size_t RequestParser::on_chunk_body_impl(std::uint64_t /*left*/,
                                              Text bytes,
                                              ParseError& /*error*/) {
  request_.body.append(bytes.data(), bytes.size());
  return bytes.size();
}

void RequestParser::on_finish_impl(ParseError& /*error*/) {}

}  // namespace tetrarch::net
