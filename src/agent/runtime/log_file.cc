// SPDX-License-Identifier: Apache-2.0
#include "agent/runtime/log_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <unistd.h>
#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "agent/runtime/on_pool.h"
#include "async/timer.h"
#include "base/clock.h"

namespace tetrarch::agent::runtime {

namespace fs = std::filesystem;

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

fs::path rotated_log(const fs::path& log, int number) {
  return fmt::format("{}.{}", log.string(), number);
}

std::vector<fs::path> log_files(const fs::path& log) {
  std::vector<fs::path> out = {log};
  std::error_code error;
  for (int n = 1; fs::exists(rotated_log(log, n), error); ++n) {
    out.push_back(rotated_log(log, n));
  }
  return out;
}

namespace {

/// Lines of a file from the last to the first. `see(line, end)` answers whether to go on.
bool each_line_backwards(const fs::path& path,
                         const std::function<bool(std::string_view, std::int64_t)>& see) {
  constexpr std::int64_t kChunk = 65536;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  std::int64_t begin = file ? static_cast<std::int64_t>(file.tellg()) : 0;
  std::string text;  // from `begin` on: what has not been seen yet
  while (begin > 0) {
    const std::int64_t size = std::min(begin, kChunk);
    begin -= size;
    std::string chunk(static_cast<std::size_t>(size), '\0');
    file.seekg(begin);
    file.read(chunk.data(), size);
    text.insert(0, chunk);
    while (!text.empty()) {
      const auto before = text.rfind('\n', text.size() - 2);
      const bool is_whole = text.size() > 1 && before != std::string::npos;
      if (!is_whole && begin > 0) {
        break;  // its beginning is in the chunk before
      }
      const std::size_t start = is_whole ? before + 1 : 0;
      const auto end = begin + static_cast<std::int64_t>(text.size());
      if (!see(std::string_view(text).substr(start), end)) {
        return false;
      }
      text.resize(start);
    }
  }
  return true;
}

}  // namespace

LogPlace tail_of(const fs::path& log, std::int64_t lines) {
  const auto files = log_files(log);
  if (lines <= 0) {
    std::error_code error;
    const auto size = fs::file_size(log, error);
    return {log, error ? 0 : static_cast<std::int64_t>(size)};
  }
  std::int64_t found = 0;
  bool is_first = true;
  LogPlace place{files.back(), 0};
  for (const auto& file : files) {
    const auto see = [&](std::string_view line, std::int64_t end) {
      const auto parsed = parse_log_line(line);
      const bool ends_here = !parsed || !parsed->is_partial;
      if (ends_here && found >= lines) {
        place = {file, end};
        return false;
      }
      found += ends_here || is_first ? 1 : 0;  // a last line that has not ended counts too
      is_first = false;
      return true;
    };
    if (!each_line_backwards(file, see)) {
      break;
    }
  }
  return place;
}

struct LogFollower::State {
  fs::path path;
  int fd = -1;
  int notify = -1;
  bool waits_for_writer = true;
  std::optional<TimePoint> replaced;  ///< since when the path names a newer file

  ~State() {
    close();
    if (notify >= 0) {
      ::close(notify);
    }
  }

  void close() {
    if (fd >= 0) {
      ::close(std::exchange(fd, -1));
    }
  }

  bool is_same(const fs::path& other, int& opened) const {
    struct stat mine = {};
    struct stat there = {};
    opened = ::open(other.c_str(), O_RDONLY | O_CLOEXEC);
    return ::fstat(fd, &mine) == 0 && opened >= 0 && ::fstat(opened, &there) == 0 &&
           mine.st_ino == there.st_ino && mine.st_dev == there.st_dev;
  }

  /// The file that followed the open one; -1 where there is none yet. From the newest to the
  /// oldest, as rotation moves them: a file may be met twice, none is passed over.
  int open_next() const {
    int next = -1;
    for (const auto& file : log_files(path)) {
      int opened = -1;
      if (is_same(file, opened)) {
        ::close(opened);
        return next;
      }
      if (opened >= 0) {
        ::close(next);
        next = opened;
      }
    }
    struct stat mine = {};
    if (::fstat(fd, &mine) == 0 && mine.st_nlink == 0) {
      return next;  // rotated out of existence: the oldest that is left follows
    }
    ::close(next);
    return -1;  // it is just being renamed
  }

  /// The container's writer may still have lines for the old file when the new one is there
  /// already.
  bool is_writer_done() {
    constexpr std::chrono::milliseconds kGrace(500);
    const auto now = system_clock().now();
    if (!replaced) {
      replaced = now;
    }
    return !waits_for_writer || now - *replaced >= kGrace;
  }

  ssize_t read_some(std::string& out) const { return ::read(fd, out.data(), out.size()); }

  Result<std::string> read() {
    if (fd < 0) {
      fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0) {
      return std::string();  // not written yet
    }
    std::string out(65536, '\0');
    ssize_t n = read_some(out);
    while (n == 0) {
      const int next = open_next();
      if (next < 0) {
        break;
      }
      n = is_writer_done() ? read_some(out) : 0;  // what came between the read and the rotation
      if (n != 0 || !is_writer_done()) {
        ::close(next);
        break;
      }
      close();
      fd = next;
      replaced.reset();
      n = read_some(out);
    }
    if (n < 0) {
      return Error{Code::internal,
                   fmt::format("cannot read {}: {}", path.string(), std::strerror(errno))};
    }
    out.resize(static_cast<std::size_t>(n));
    return out;
  }

  Status skip(const fs::path& file, std::int64_t offset, int from) {
    close();
    fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && ::lseek(fd, offset, from) < 0) {
      return Error{Code::internal,
                   fmt::format("cannot seek {}: {}", file.string(), std::strerror(errno))};
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
  auto work = [state = state_] { return state->skip(state->path, 0, SEEK_END); };
  co_return co_await on_pool(blocking_, std::move(work));
}

Task<Status> LogFollower::skip_to(LogPlace place) {
  auto work = [state = state_, place] { return state->skip(place.file, place.offset, SEEK_SET); };
  co_return co_await on_pool(blocking_, std::move(work));
}

void LogFollower::stop_waiting() {
  state_->waits_for_writer = false;
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
