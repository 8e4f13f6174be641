// SPDX-License-Identifier: Apache-2.0
// Fills a Request from the bytes of a connection, by Beast's parser (which knows the rules against
// request smuggling) straight into our own strings, without Beast's field container between. Heavy:
// inside net only.
#pragma once

#include <boost/beast/http/basic_parser.hpp>

#include "net/http.h"
#include "net/upload_handler.h"

namespace tetrarch::net {

using ParseError = boost::system::error_code;

struct ParseLimits {
  std::uint32_t header_bytes = 64 * 1024;
  std::uint64_t body_bytes = 3 * 1024 * 1024;
  std::size_t headers = 200;
  const UploadHandlers* uploads = nullptr;  ///< asked whose bodies they take as they come
};

class RequestParser final : public boost::beast::http::basic_parser<true> {
 public:
  explicit RequestParser(const ParseLimits& limits);

  Request& request() { return request_; }

  bool is_http10() const { return is_http10_; }

  bool expects_continue() const { return expects_continue_; }

  /// Who takes the body as it comes; null: nobody.
  UploadHandler* taker() const { return taker_; }

  /// The status that an error of our own stands for; 0: an error of the message's form.
  int refusal() const { return refusal_; }

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

  Request request_;
  const UploadHandlers* uploads_;
  std::size_t headers_max_;
  std::size_t trailers_ = 0;
  int hosts_ = 0;
  bool is_http10_ = false;
  bool has_coding_ = false;
  bool has_header_ = false;
  bool expects_continue_ = false;
  UploadHandler* taker_ = nullptr;
  int refusal_ = 0;
};

}  // namespace tetrarch::net
