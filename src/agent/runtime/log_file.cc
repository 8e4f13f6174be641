// SPDX-License-Identifier: Apache-2.0
#include "agent/runtime/log_file.h"

#include <array>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "agent/runtime/on_pool.h"
#include "async/timer.h"

namespace tetrarch::agent::runtime {

std::optional<LogLine> parse_log_line(std::string_view line) {
  LogLine out;
  const auto stream_at = line.find(' ');
  if (stream_at == std::string_view::npos) {
    return std::nullopt;
  }
  const auto tag_at = line.find(' ', stream_at + 1);
  if (tag_at == std::string_view::npos) {
    return std::nullopt;
  }
  const auto text_at = std::min(line.find(' ', tag_at + 1), line.size());
  out.time = line.substr(0, stream_at);
  const auto stream = line.substr(stream_at + 1, tag_at - stream_at - 1);
  const auto tag = line.substr(tag_at + 1, text_at - tag_at - 1);
  if (stream != "stdout" && stream != "stderr") {
    return std::nullopt;
  }
  out.is_error_stream = stream == "stderr";
  out.is_partial = tag.starts_with('P');
  out.text = text_at < line.size() ? line.substr(text_at + 1) : std::string_view();
  return out;
}

struct LogFollower::State {
  std::filesystem::path path;
  int fd = -1;
  int notify = -1;

  ~State() {
    if (fd >= 0) {
      ::close(fd);
    }
    if (notify >= 0) {
      ::close(notify);
    }
  }

  void open() {
    if (fd < 0) {
      fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    }
  }

  /// Whether the path names another file than the one that is open: it was rotated.
  bool is_replaced() const {
    struct stat mine = {};
    struct stat there = {};
    return ::fstat(fd, &mine) == 0 && ::stat(path.c_str(), &there) == 0 &&
           (mine.st_ino != there.st_ino || mine.st_dev != there.st_dev);
  }

  Result<std::string> read() {
    open();
    if (fd < 0) {
      return std::string();  // not written yet
    }
    std::string out(65536, '\0');
    ssize_t n = ::read(fd, out.data(), out.size());
    if (n == 0 && is_replaced()) {
      n = ::read(fd, out.data(), out.size());  // what came between the read and the rotation
      if (n == 0) {
        ::close(fd);
        fd = -1;
        open();
        n = fd < 0 ? 0 : ::read(fd, out.data(), out.size());
      }
    }
    if (n < 0) {
      return Error{Code::internal,
                   fmt::format("cannot read {}: {}", path.string(), std::strerror(errno))};
    }
    out.resize(static_cast<std::size_t>(n));
    return out;
  }

  Status skip(std::int64_t offset, int from) {
    open();
    if (fd >= 0 && ::lseek(fd, offset, from) < 0) {
      return Error{Code::internal,
                   fmt::format("cannot seek {}: {}", path.string(), std::strerror(errno))};
    }
    return ok();
  }
};

LogFollower::LogFollower(std::filesystem::path path, async::BlockingPool& blocking)
    : state_(std::make_shared<State>()), blocking_(blocking) {
  state_->path = std::move(path);
  state_->notify = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (state_->notify >= 0) {
    ::inotify_add_watch(
        state_->notify, state_->path.parent_path().c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO);
  }
}

LogFollower::~LogFollower() = default;

Task<Status> LogFollower::skip_to_end() {
  auto work = [state = state_] { return state->skip(0, SEEK_END); };
  co_return co_await on_pool(blocking_, std::move(work));
}

Task<Status> LogFollower::skip_to(std::int64_t offset) {
  auto work = [state = state_, offset] { return state->skip(offset, SEEK_SET); };
  co_return co_await on_pool(blocking_, std::move(work));
}

Task<Result<std::string>> LogFollower::read() {
  auto work = [state = state_] { return state->read(); };
  co_return co_await on_pool(blocking_, std::move(work));
}

Task<void> LogFollower::wait() {
  if (state_->notify < 0) {
    co_await async::sleep_for(std::chrono::seconds(1));
    co_return;
  }
  const auto executor = co_await asio::this_coro::executor;
  // Shared with the timer's handler, which may be queued already when this coroutine goes on.
  auto notify = std::make_shared<asio::posix::stream_descriptor>(executor, ::dup(state_->notify));
  auto timer = std::make_shared<asio::steady_timer>(executor, std::chrono::seconds(1));
  timer->async_wait([notify](const boost::system::error_code& failure) {
    if (!failure) {
      boost::system::error_code ignored;
      notify->cancel(ignored);
    }
  });
  static_cast<void>(co_await notify->async_wait(asio::posix::stream_descriptor::wait_read, kAwait));
  timer->cancel();
  std::array<char, 4096> events;
  while (::read(state_->notify, events.data(), events.size()) > 0) {
  }
}

}  // namespace tetrarch::agent::runtime
