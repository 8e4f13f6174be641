// SPDX-License-Identifier: Apache-2.0
#include "agent/journal.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>
#include <sys/wait.h>

#include "agent/runtime/on_pool.h"
#include "async/together.h"
#include "object/document.h"
#include "reach/answer.h"

namespace tetrarch::agent {
namespace {

constexpr std::size_t kPiece = 16384;

/// A child whose output we read; ended with this.
class Child {
 public:
  Child(asio::any_io_executor executor, int output, pid_t pid)
      : out_(executor, output), pid_(pid) {}

  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// It obeys SIGKILL at once, so this does not wait for long.
  ~Child() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  asio::posix::stream_descriptor& out() { return out_; }

 private:
  asio::posix::stream_descriptor out_;
  pid_t pid_;
};

struct Started {
  int output = -1;
  pid_t pid = 0;
};

/// Blocking. stdout and stderr are one: what journalctl complains of is for the reader.
Result<Started> start(const std::vector<std::string>& command) {
  std::array<int, 2> ends = {};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return Error{Code::exhausted, "no descriptor is left for a pipe"};
  }
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  std::vector<char*> words;
  for (const auto& word : command) {
    words.push_back(const_cast<char*>(word.c_str()));  // NOLINT: as POSIX declares it
  }
  words.push_back(nullptr);
  Started out{ends[0], 0};
  const int failed = ::posix_spawnp(&out.pid, words[0], &actions, nullptr, words.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (failed != 0) {
    ::close(ends[0]);
    return Error{Code::unavailable,
                 fmt::format("{} cannot be run on this machine: the unit's log is in its journal",
                             command[0])};
  }
  return out;
}

Task<void> pump(Child& child, JournalFormatter formatter, net::Stream& stream) {
  std::string piece(kPiece, '\0');
  while (!formatter.is_full()) {
    const auto [error, size] = co_await child.out().async_read_some(
        asio::buffer(piece), asio::as_tuple(asio::use_awaitable));
    if (error) {
      break;
    }
    const auto text = formatter.feed(std::string_view(piece).substr(0, size));
    if (!text.empty() && !(co_await stream.write(text)).ok()) {
      co_return;
    }
  }
  static_cast<void>(co_await stream.shut_write());
}

/// A reader says nothing: it only goes.
Task<void> until_gone(net::Stream& stream) {
  std::array<char, 64> ignored = {};
  while (true) {
    const auto count = co_await stream.read(ignored.data(), ignored.size());
    if (!count.ok() || *count == 0) {
      co_return;
    }
  }
}

/// Text, or bytes where it is none. Source: systemd, "Journal JSON Format".
std::string message_of(object::View message) {
  if (message.is_string()) {
    return std::string(message.string());
  }
  std::string out;
  for (const auto byte : message.elements()) {
    out += static_cast<char>(byte.integer());
  }
  return out;
}

TimePoint time_of(std::string_view microseconds) {
  std::int64_t count = 0;
  std::from_chars(microseconds.data(), microseconds.data() + microseconds.size(), count);
  return TimePoint{std::chrono::microseconds(count)};
}

}  // namespace

std::vector<std::string> journal_command(const std::string& unit, const LogWishes& wishes) {
  std::vector<std::string> out = {
      "journalctl", "--quiet", "--no-pager", "--output=json", "--output-fields=MESSAGE"};
  out.push_back("--unit=" + unit);
  out.push_back(wishes.tail_lines ? fmt::format("--lines={}", *wishes.tail_lines) : "--lines=all");
  if (wishes.since) {
    const auto since =
        std::chrono::duration_cast<std::chrono::microseconds>(wishes.since->time_since_epoch());
    out.push_back(
        fmt::format("--since=@{}.{:06}", since.count() / 1'000'000, since.count() % 1'000'000));
  }
  if (wishes.is_following) {
    out.emplace_back("--follow");
  }
  return out;
}

std::string JournalFormatter::line(std::string_view json) const {
  const auto read = Document::parse(json);
  if (!read.ok()) {
    return std::string(json) + "\n";
  }
  const auto root = (*read)->root();
  std::string out;
  if (wishes_.has_timestamps) {
    out = format_micro_time(time_of(root["__REALTIME_TIMESTAMP"].string())) + " ";
  }
  return out + message_of(root["MESSAGE"]) + "\n";
}

std::string JournalFormatter::feed(std::string_view bytes) {
  rest_ += bytes;
  std::string out;
  std::size_t begin = 0;
  for (auto end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n', begin)) {
    out += line(std::string_view(rest_).substr(begin, end - begin));
    begin = end + 1;
  }
  rest_.erase(0, begin);
  if (wishes_.limit_bytes) {
    const auto left = static_cast<std::size_t>(std::max<std::int64_t>(*wishes_.limit_bytes, 0));
    out.resize(std::min(out.size(), left));
    *wishes_.limit_bytes -= static_cast<std::int64_t>(out.size());
  }
  return out;
}

Task<void> serve_journal(std::string unit,
                         LogWishes wishes,
                         async::BlockingPool& blocking,
                         net::Stream& stream) {
  auto work = [command = journal_command(unit, wishes)] { return start(command); };
  const auto started = co_await runtime::on_pool(blocking, std::move(work));
  const Status outcome = started.ok() ? ok() : Status(started.error());
  if (!started.ok()) {
    static_cast<void>(co_await stream.write(reach::format_answer(outcome)));
    co_return;
  }
  Child child(co_await asio::this_coro::executor, started->output, started->pid);
  if (!(co_await stream.write(reach::format_answer(outcome))).ok()) {
    co_return;
  }
  co_await async::first_of(pump(child, JournalFormatter(wishes), stream), until_gone(stream));
}

}  // namespace tetrarch::agent
