// SPDX-License-Identifier: Apache-2.0
// Reads one response of HTTP/1.1 from bytes that come from anywhere: a transport (client.h) or any
// stream (stream_request.h). Holds what has arrived and is not parsed. One strand. Inside net only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "async/task.h"
#include "base/result.h"
#include "net/response_parser.h"

namespace tetrarch::net {

class ResponseReader {
 public:
  /// At least one byte; 0 at the end.
  using Source = std::function<Task<Result<std::size_t>>(char* into, std::size_t size)>;

  /// What `source` refers to outlives the reader.
  explicit ResponseReader(Source source) : source_(std::move(source)) {}

  /// Until the head is there (then perhaps also some or all of the body); interim answers are
  /// passed over. `has_no_body`: the answer to HEAD.
  Task<Status> read_head(bool has_no_body, std::uint64_t bytes_max);
  /// More of the body into parser().response().body.
  Task<Status> read_more();

  /// From read_head on.
  ResponseParser& parser() { return *parser_; }

  bool is_exhausted() const { return begin_ == end_; }

  bool has_begun() const { return has_begun_; }

  /// Before a further request on the same connection.
  void forget();
  /// What arrived behind the response: of the protocol that an upgrade has begun.
  std::string take_rest();

 private:
  void begin(bool has_no_body, std::uint64_t bytes_max);
  Status parse();
  Task<Status> fill();
  Status ended();

  const Source source_;
  std::unique_ptr<ResponseParser> parser_;
  std::vector<char> buffer_;  // received, not parsed: [begin_, end_)
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool has_begun_ = false;  // a byte of the response has arrived
};

}  // namespace tetrarch::net
