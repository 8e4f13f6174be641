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

RequestParser::RequestParser(const ParseLimits& limits)
    : uploads_(limits.uploads), headers_max_(limits.headers) {
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
  taker_ = uploads_ != nullptr ? taker_of(*uploads_, request_) : nullptr;
  if (taker_ != nullptr) {
    body_limit(boost::none);
  }
}

void RequestParser::on_response_impl(int /*status*/,
                                     Text /*reason*/,
                                     int /*version*/,
                                     ParseError& /*error*/) {}

void RequestParser::on_field_impl(Field field, Text name, Text value, ParseError& error) {
  if (request_.headers.list().size() + trailers_ >= headers_max_) {
    error = http::error::header_limit;
    return;
  }
  if (has_header_) {
    // Source: RFC 9110 section 6.5.1: a trailer is not merged into the header. Whoever stands in
    // front of us has looked for credentials in the header only.
    ++trailers_;
    return;
  }
  const std::string_view text{value.data(), value.size()};
  if (field == Field::host) {
    ++hosts_;
  } else if (field == Field::expect) {
    expects_continue_ = equals_ignoring_case(text, "100-continue");
    refusal_ = expects_continue_ ? refusal_ : 417;
  } else if (field == Field::transfer_encoding) {
    // Source: RFC 9112 section 6.1: a coding that is not understood is answered with 501.
    has_coding_ = true;
    refusal_ = equals_ignoring_case(text, "chunked") ? refusal_ : 501;
  }
  request_.headers.add(to_string(name), to_string(value));
}

void RequestParser::on_header_impl(ParseError& error) {
  // Source: RFC 9112 section 3.2: HTTP/1.1 needs exactly one Host.
  if (hosts_ > 1 || (hosts_ == 0 && !is_http10_)) {
    error = http::error::bad_field;
  }
  // Source: RFC 9112 section 6.1: a client of HTTP/1.0 cannot mean it.
  refusal_ = is_http10_ && has_coding_ ? 501 : refusal_;
  if (refusal_ != 0) {
    error = http::error::bad_field;
  }
  has_header_ = true;
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
