// SPDX-License-Identifier: Apache-2.0
// A container's log as what the container printed: a line at a time, on its two streams.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/runtime/runtime.h"

namespace tetrarch::agent::runtime {

class LogChunks {
 public:
  /// A terminal has one stream.
  explicit LogChunks(bool has_tty) : has_tty_(has_tty) {}

  void feed(std::string_view bytes) { buffer_.append(bytes); }

  /// The next whole line that says something; empty when there is none yet.
  std::optional<Session::Chunk> take();

 private:
  bool has_tty_;
  std::string buffer_;
};

}  // namespace tetrarch::agent::runtime
