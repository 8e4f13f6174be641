// SPDX-License-Identifier: Apache-2.0
// A handler for requests whose bodies may be of any size: it is called before the body is there and
// takes it piece by piece. Beside the Handler of a server (ServerOptions::uploads).
#pragma once

#include <string>

#include "async/task.h"
#include "base/result.h"
#include "net/http.h"

namespace tetrarch::net {

class BodyReader {
 public:
  virtual ~BodyReader() = default;
  /// What of the body has not come in Request::body, piece by piece; empty at its end.
  /// Code::malformed: it cannot be read; Code::unavailable: it broke off.
  virtual Task<Result<std::string>> read_body() = 0;
};

/// A seam: api/distribution. Called concurrently, each call on its connection's strand.
class UploadHandler {
 public:
  virtual ~UploadHandler() = default;
  /// Whether it takes a request with this method and path; nothing else is known yet.
  virtual bool takes(const Request& head) const = 0;
  /// Over HTTP/1.1 no limit of size holds, and what is left unread ends the connection behind the
  /// answer. HTTP/2 reads a body whole first, within the limit.
  virtual Task<void> handle(Request request, Exchange& exchange, BodyReader& body) = 0;
};

}  // namespace tetrarch::net
