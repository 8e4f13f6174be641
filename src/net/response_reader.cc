// SPDX-License-Identifier: Apache-2.0
#include "net/response_reader.h"

#include <cstring>

#include <boost/beast/http/error.hpp>

namespace tetrarch::net {
namespace {

namespace http = boost::beast::http;

constexpr std::size_t kBufferMin = 4 * 1024;
constexpr std::size_t kReadMax = 64 * 1024;
/// Of a head, or of anything else that the parser does not take in pieces.
constexpr std::size_t kLineMax = 512 * 1024;

}  // namespace

void ResponseReader::begin(bool has_no_body, std::uint64_t bytes_max) {
  parser_ = std::make_unique<ResponseParser>(has_no_body, bytes_max);
  has_begun_ = begin_ < end_;
}

void ResponseReader::forget() {
  parser_.reset();
  has_begun_ = false;
}

std::string ResponseReader::take_rest() {
  std::string out(buffer_.data() + begin_, end_ - begin_);
  begin_ = end_;
  return out;
}

Task<Status> ResponseReader::read_head(bool has_no_body, std::uint64_t bytes_max) {
  begin(has_no_body, bytes_max);
  while (true) {
    CO_TRY_STATUS(parse());
    if (parser_->is_header_done()) {
      const int status = parser_->response().status;
      if (status >= 200 || status == 101) {
        co_return ok();
      }
      begin(has_no_body, bytes_max);
      continue;
    }
    CO_TRY_STATUS(co_await fill());
  }
}

Task<Status> ResponseReader::read_more() {
  CO_TRY_STATUS(parse());
  if (!parser_->is_done()) {
    CO_TRY_STATUS(co_await fill());
    CO_TRY_STATUS(parse());
  }
  co_return ok();
}

Status ResponseReader::parse() {
  while (begin_ < end_ && !parser_->is_done()) {
    ParseError error;
    begin_ += parser_->put(asio::const_buffer(buffer_.data() + begin_, end_ - begin_), error);
    if (error == http::error::need_more) {
      break;
    }
    if (error) {
      const auto code = error == http::error::body_limit ? Code::too_large : Code::unavailable;
      return Error{code, "the server's answer cannot be read: " + error.message()};
    }
  }
  return ok();
}

Task<Status> ResponseReader::fill() {
  if (begin_ == end_) {
    begin_ = 0;
    end_ = 0;
    if (buffer_.empty()) {
      buffer_.resize(kBufferMin);
    }
  } else if (end_ == buffer_.size()) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    if (end_ > kLineMax) {
      co_return Error{Code::too_large, "a line of the server's answer is too long"};
    }
    if (end_ > buffer_.size() / 2) {
      buffer_.resize(buffer_.size() * 2);
    }
  }
  CO_TRY(const auto got, co_await source_(buffer_.data() + end_, buffer_.size() - end_));
  if (got == 0) {
    co_return ended();
  }
  has_begun_ = true;
  const bool is_full = got == buffer_.size();
  end_ += got;
  if (is_full && buffer_.size() < kReadMax) {
    buffer_.resize(buffer_.size() * 2);
  }
  co_return ok();
}

Status ResponseReader::ended() {
  if (parser_->is_header_done() && parser_->need_eof()) {
    ParseError error;
    parser_->put_eof(error);
    if (!error) {
      return ok();
    }
  }
  return Error{Code::unavailable, "the server closed the connection before its answer was whole"};
}

}  // namespace tetrarch::net
