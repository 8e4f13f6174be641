// SPDX-License-Identifier: Apache-2.0
// Fills a Response from the bytes of a connection, by Beast's parser. Heavy: inside net only.
#pragma once

#include <boost/beast/http/basic_parser.hpp>

#include "net/client.h"
#include "net/request_parser.h"

namespace tetrarch::net {

class ResponseParser final : public boost::beast::http::basic_parser<false> {
 public:
  /// `has_no_body`: the answer to HEAD.
  ResponseParser(bool has_no_body, std::uint64_t body_bytes_max);

  Response& response() { return response_; }

 private:
  using Text = boost::beast::string_view;
  using Verb = boost::beast::http::verb;
  using Field = boost::beast::http::field;

  void on_request_impl(
      Verb verb, Text method, Text target, int version, ParseError& error) override;
  void on_response_impl(int status, Text reason, int version, ParseError& error) override;
  void on_field_impl(Field field, Text name, Text value, ParseError& error) override;
  void on_header_impl(ParseError& error) override;
  void on_body_init_impl(const boost::optional<std::uint64_t>& length, ParseError& error) override;
  std::size_t on_body_impl(Text bytes, ParseError& error) override;
  void on_chunk_header_impl(std::uint64_t size, Text extensions, ParseError& error) override;
  std::size_t on_chunk_body_impl(std::uint64_t left, Text bytes, ParseError& error) override;
  void on_finish_impl(ParseError& error) override;

  Response response_;
};

}  // namespace tetrarch::net
