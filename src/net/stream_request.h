// SPDX-License-Identifier: Apache-2.0
// One request of HTTP/1.1 and its answer over a byte stream that somebody else has opened: a
// stream of reach to a pod, with or without TLS. Made by whoever passes a request on; belongs to
// the strand of that coroutine. One sender and one reader may be under way together. It sets no
// limits of time: the caller does.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "async/task.h"
#include "base/result.h"
#include "net/client.h"
#include "net/http.h"

namespace tetrarch::net {

class StreamRequest {
 public:
  explicit StreamRequest(std::unique_ptr<Stream> stream);
  ~StreamRequest();
  StreamRequest(const StreamRequest&) = delete;
  StreamRequest& operator=(const StreamRequest&) = delete;

  /// The head as it is given (no Content-Length is taken from the headers: it is the body's size),
  /// then the body.
  Task<Status> send(ClientRequest request);
  /// The head of a request whose body follows piece by piece: `size` bytes of it, or chunks where
  /// that is not known.
  Task<Status> begin(ClientRequest request, std::optional<std::uint64_t> size);
  Task<Status> send_piece(std::string_view bytes);
  /// Behind the last piece.
  Task<Status> end();
  /// Until the head of the answer is there; interim answers are passed over. `has_no_body`: the
  /// answer to HEAD.
  Task<Status> read_head(bool has_no_body);
  /// From read_head on.
  int status() const;
  const Headers& headers() const;
  /// The next bytes of the body; empty at its end. Code::unavailable: it broke off before.
  Task<Result<std::string>> read();
  /// After 101: the stream, beginning with what has arrived behind the head.
  std::unique_ptr<Stream> take_stream();
  /// Whoever sends or reads fails.
  void close();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace tetrarch::net
