// SPDX-License-Identifier: Apache-2.0
#include "net/pipe.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include "async/timer.h"

namespace tetrarch::net {
namespace {

/// One direction: bytes between one writer and one reader.
class Channel {
 public:
  explicit Channel(std::size_t capacity) : capacity_(capacity) {}

  Task<Result<std::size_t>> read(char* into, std::size_t size) {
    while (true) {
      {
        const std::lock_guard lock(mutex_);
        if (is_broken_) {
          co_return Error{Code::cancelled, "the pipe is closed"};
        }
        if (!bytes_.empty() || is_ended_) {
          const auto n = std::min(size, bytes_.size());
          std::memcpy(into, bytes_.data(), n);
          bytes_.erase(0, n);
          has_space_.raise();
          co_return n;
        }
      }
      co_await has_bytes_.wait();
    }
  }

  Task<Status> write(std::string_view from) {
    while (!from.empty()) {
      {
        const std::lock_guard lock(mutex_);
        if (is_broken_ || is_ended_) {
          co_return Error{Code::cancelled, "the pipe is closed"};
        }
        const auto n = std::min(from.size(), capacity_ - bytes_.size());
        bytes_.append(from.substr(0, n));
        from.remove_prefix(n);
        if (n > 0) {
          has_bytes_.raise();
        }
      }
      if (!from.empty()) {
        co_await has_space_.wait();
      }
    }
    co_return ok();
  }

  void end() {
    const std::lock_guard lock(mutex_);
    is_ended_ = true;
    has_bytes_.raise();
    has_space_.raise();
  }

  void break_off() {
    const std::lock_guard lock(mutex_);
    is_broken_ = true;
    has_bytes_.raise();
    has_space_.raise();
  }

 private:
  const std::size_t capacity_;
  std::mutex mutex_;
  std::string bytes_;
  bool is_ended_ = false;
  bool is_broken_ = false;
  async::Event has_bytes_;
  async::Event has_space_;
};

class PipeEnd final : public Stream {
 public:
  PipeEnd(std::shared_ptr<Channel> in, std::shared_ptr<Channel> out)
      : in_(std::move(in)), out_(std::move(out)) {}

  ~PipeEnd() override { abandon(); }

  Task<Result<std::size_t>> read(char* into, std::size_t size) override {
    const auto in = in_;
    co_return co_await in->read(into, size);
  }

  Task<Status> write(std::string_view bytes) override {
    const auto out = out_;
    co_return co_await out->write(bytes);
  }

  Task<Status> shut_write() override {
    out_->end();
    co_return ok();
  }

  void close() override { abandon(); }

 private:
  /// What was written before stays readable on the other side, as with a socket.
  void abandon() {
    in_->break_off();
    out_->end();
  }

  std::shared_ptr<Channel> in_;  // both shared with the other end
  std::shared_ptr<Channel> out_;
};

}  // namespace

PipePair make_pipe(std::size_t capacity) {
  auto there = std::make_shared<Channel>(capacity);
  auto back = std::make_shared<Channel>(capacity);
  return {std::make_unique<PipeEnd>(back, there), std::make_unique<PipeEnd>(there, back)};
}

}  // namespace tetrarch::net
