// SPDX-License-Identifier: Apache-2.0
// A handler for requests whose bodies may be of any size: it is called before the body is there and
// takes it piece by piece. Beside the Handler of a server (ServerOptions::uploads).
#pragma once

#include <string>
#include <vector>

#include "async/task.h"
#include "base/result.h"
#include "net/http.h"

namespace tetrarch::net {

class BodyReader {
 public:
  virtual ~BodyReader() = default;
  /// What of the body has not come in Request::body, piece by piece; empty at its end.
  /// Code::malformed: it cannot be read; Code::unavailable: it broke off.
  /// Code::timeout: nothing has come for ServerOptions::stream_write_limit.
  virtual Task<Result<std::string>> read_body() = 0;
  /// What has come in Request::body, and by read_body(), is all there is.
  virtual bool is_whole() const = 0;
};

/// A seam: api/distribution, and what api/kubernetes passes on. Called concurrently, each call on
/// its connection's strand.
class UploadHandler {
 public:
  virtual ~UploadHandler() = default;
  /// Whether it takes a request with this method and path; nothing else is known yet. Any thread.
  virtual bool takes(const Request& head) const = 0;
  /// No limit of size holds. What is left unread ends the connection behind the answer, in HTTP/2
  /// the stream. A client may go on sending while it is answered.
  virtual Task<void> handle(Request request, Exchange& exchange, BodyReader& body) = 0;
};

using UploadHandlers = std::vector<UploadHandler*>;

/// The first that takes it; null: none.
inline UploadHandler* taker_of(const UploadHandlers& handlers, const Request& head) {
  for (auto* handler : handlers) {
    if (handler->takes(head)) {
      return handler;
    }
  }
  return nullptr;
}

}  // namespace tetrarch::net
