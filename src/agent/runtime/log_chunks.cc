// SPDX-License-Identifier: Apache-2.0
#include "agent/runtime/log_chunks.h"

#include "agent/runtime/log_file.h"

namespace tetrarch::agent::runtime {

std::optional<Session::Chunk> LogChunks::take() {
  std::size_t begin = 0;
  Session::Chunk chunk;
  while (chunk.bytes.empty()) {
    const auto end = buffer_.find('\n', begin);
    if (end == std::string::npos) {
      buffer_.erase(0, begin);
      return std::nullopt;
    }
    const auto line = parse_log_line(std::string_view(buffer_).substr(begin, end - begin));
    if (line) {
      chunk.is_error_stream = line->is_error_stream && !has_tty_;
      chunk.bytes = std::string(line->text) + (line->is_partial ? "" : "\n");
    }
    begin = end + 1;
  }
  buffer_.erase(0, begin);
  return chunk;
}

}  // namespace tetrarch::agent::runtime
