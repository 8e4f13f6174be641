// SPDX-License-Identifier: Apache-2.0
#include "agent/runtime/pipes.h"

#include <cstring>
#include <fcntl.h>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <fmt/format.h>
#include <sys/stat.h>

namespace tetrarch::agent::runtime {

Result<int> make_pipe_to_read(const std::filesystem::path& path) {
  if (::mkfifo(path.c_str(), 0600) != 0) {
    return Error{Code::internal,
                 fmt::format("cannot make pipe {}: {}", path.string(), std::strerror(errno))};
  }
  const int fd = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) {
    return Error{Code::internal,
                 fmt::format("cannot open pipe {}: {}", path.string(), std::strerror(errno))};
  }
  return fd;
}

Result<int> open_pipe_to_write(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) {
    return Error{Code::unavailable,
                 fmt::format("nobody reads {}: {}", path.string(), std::strerror(errno))};
  }
  return fd;
}

void PipeReader::add(int fd, bool is_error_stream) {
  pipes_.push_back(std::make_shared<Pipe>(executor_, fd, is_error_stream));
}

void PipeReader::start() {
  open_ = pipes_.size();
  for (const auto& pipe : pipes_) {
    arm(pipe);
  }
}

void PipeReader::arm(const std::shared_ptr<Pipe>& pipe) {
  auto done = [self = shared_from_this(), pipe](const boost::system::error_code& error,
                                                std::size_t n) {
    if (error) {
      --self->open_;  // the writer has closed, or we have
    } else {
      self->filled_.emplace_back(pipe, n);
    }
    self->changed_.raise();
  };
  pipe->descriptor.async_read_some(asio::buffer(pipe->buffer),
                                   asio::bind_executor(executor_, std::move(done)));
}

Task<Result<Session::Chunk>> PipeReader::read() {
  while (filled_.empty()) {
    if (open_ == 0) {
      co_return Session::Chunk{};
    }
    co_await changed_.wait();
  }
  const auto [pipe, n] = filled_.front();
  filled_.pop_front();
  Session::Chunk chunk{pipe->is_error_stream, std::string(pipe->buffer.data(), n)};
  arm(pipe);
  co_return chunk;
}

void PipeReader::close() {
  for (const auto& pipe : pipes_) {
    boost::system::error_code ignored;
    pipe->descriptor.close(ignored);
  }
}

}  // namespace tetrarch::agent::runtime
