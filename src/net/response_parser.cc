// SPDX-License-Identifier: Apache-2.0
#include "net/response_parser.h"

namespace tetrarch::net {
namespace {

constexpr std::uint64_t kReserveMax = 4 * 1024 * 1024;

std::string to_string(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace

ResponseParser::ResponseParser(bool has_no_body, std::uint64_t body_bytes_max) {
  eager(true);
  header_limit(256 * 1024);
  body_limit(body_bytes_max);
  skip(has_no_body);
}

void ResponseParser::on_request_impl(
    Verb /*verb*/, Text /*method*/, Text /*target*/, int /*version*/, ParseError& /*error*/) {}

void ResponseParser::on_response_impl(int status,
                                      Text /*reason*/,
                                      int /*version*/,
                                      ParseError& /*error*/) {
  response_.status = status;
}

void ResponseParser::on_field_impl(Field /*field*/, Text name, Text value, ParseError& /*error*/) {
  response_.headers.add(to_string(name), to_string(value));
}

void ResponseParser::on_header_impl(ParseError& /*error*/) {}

void ResponseParser::on_body_init_impl(const boost::optional<std::uint64_t>& length,
                                       ParseError& /*error*/) {
  if (length) {
    response_.body.reserve(static_cast<std::size_t>(std::min(*length, kReserveMax)));
  }
}

std::size_t ResponseParser::on_body_impl(Text bytes, ParseError& /*error*/) {
  response_.body.append(bytes.data(), bytes.size());
  return bytes.size();
}

void ResponseParser::on_chunk_header_impl(std::uint64_t /*size*/,
                                          Text /*extensions*/,
                                          ParseError& /*error*/) {}

std::size_t ResponseParser::on_chunk_body_impl(std::uint64_t /*left*/,
                                               Text bytes,
                                               ParseError& /*error*/) {
  response_.body.append(bytes.data(), bytes.size());
  return bytes.size();
}

void ResponseParser::on_finish_impl(ParseError& /*error*/) {}

}  // namespace tetrarch::net
