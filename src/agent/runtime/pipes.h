// SPDX-License-Identifier: Apache-2.0
// Named pipes between us and a shim: up to two that we read, merged, and one that we write.
#pragma once

#include <array>
#include <deque>
#include <filesystem>
#include <memory>
#include <string>

#include <boost/asio/posix/stream_descriptor.hpp>

#include "agent/runtime/runtime.h"
#include "async/timer.h"

namespace tetrarch::agent::runtime {

/// Makes the pipe (mode 0600) and opens our reading end, which does not wait for the writer.
Result<int> make_pipe_to_read(const std::filesystem::path& path);
/// Opens the writing end of a pipe that somebody reads already.
Result<int> open_pipe_to_write(const std::filesystem::path& path);

/// Reads several descriptors as one sequence of chunks; a descriptor is read on only once its last
/// chunk was taken, so a slow reader slows the process down instead of filling our memory. Used on
/// one strand.
class PipeReader : public std::enable_shared_from_this<PipeReader> {
 public:
  explicit PipeReader(asio::any_io_executor executor) : executor_(std::move(executor)) {}

  /// Takes the descriptor over.
  void add(int fd, bool is_error_stream);
  void start();
  /// An empty chunk once all have ended.
  Task<Result<Session::Chunk>> read();
  void close();

 private:
  struct Pipe {
    Pipe(asio::any_io_executor executor, int fd, bool is_error)
        : descriptor(executor, fd), is_error_stream(is_error) {}

    asio::posix::stream_descriptor descriptor;
    bool is_error_stream;
    std::array<char, 32768> buffer = {};
  };

  void arm(const std::shared_ptr<Pipe>& pipe);

  asio::any_io_executor executor_;
  std::vector<std::shared_ptr<Pipe>> pipes_;  // shared with the reads under way
  std::size_t open_ = 0;                      // pipes that have not ended
  std::deque<std::pair<std::shared_ptr<Pipe>, std::size_t>> filled_;
  async::Event changed_;
};

}  // namespace tetrarch::agent::runtime
