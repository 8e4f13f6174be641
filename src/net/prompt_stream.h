// SPDX-License-Identifier: Apache-2.0
// PromptStream: a stream that can also be written to without a coroutine that waits for it: for
// short answers of which there are many. Used by Outbox.
#pragma once

#include <string_view>

#include "net/http.h"

namespace tetrarch::net {

class PromptStream : public Stream {
 public:
  /// Takes the bytes and sends what goes without waiting; the rest goes with the next write. False:
  /// took nothing, because something waits to be sent already, or the stream has ended. Not while a
  /// write is under way.
  virtual bool write_now(std::string_view bytes) = 0;
};

}  // namespace tetrarch::net
