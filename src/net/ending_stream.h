// SPDX-License-Identifier: Apache-2.0
// EndingStream: a stream that says by itself when nobody is at its other end any more: for answers
// that stay open, of which there are many, and which would each need a coroutine that reads.
#pragma once

#include <functional>

#include "net/http.h"

namespace tetrarch::net {

class EndingStream : public Stream {
 public:
  /// Calls `notice` once, on the strand of the stream's connection, when the other side has closed
  /// the stream or the connection has ended; at once where it has. Not for our own close().
  virtual void on_end(std::function<void()> notice) = 0;
};

}  // namespace tetrarch::net
