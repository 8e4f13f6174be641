// SPDX-License-Identifier: Apache-2.0
#include "agent/runtime/containerd.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "agent/runtime/on_pool.h"
#include "agent/runtime/process.h"
#include "async/timer.h"
#include "base/clock.h"
#include "base/log.h"

namespace tetrarch::agent::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uintmax_t kLogMax = 20 << 20;
constexpr int kStartTries = 600;  // of 50 ms

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

Status write_text(const std::filesystem::path& path, const std::string& text) {
  const auto fresh = path.string() + ".new";
  {
    std::ofstream file(fresh, std::ios::binary | std::ios::trunc);
    file << text;
    if (!file.flush()) {
      return Error{Code::unavailable, "cannot write " + fresh};
    }
  }
  std::error_code error;
  std::filesystem::rename(fresh, path, error);
  if (error) {
    return Error{Code::unavailable, "cannot write " + path.string() + ": " + error.message()};
  }
  return ok();
}

Status make_directories(const ContainerdOptions& options) {
  const std::filesystem::path socket_directory =
      std::filesystem::path(options.settings.socket).parent_path();
  for (const auto& directory : {options.directory,
                                options.settings.root,
                                options.settings.state,
                                options.settings.cni_conf_directory,
                                options.settings.registry_directory,
                                socket_directory}) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) {
      return Error{Code::unavailable, "cannot make " + directory.string() + ": " + error.message()};
    }
  }
  return ok();
}

bool accepts_connections(const std::string& path) {
  sockaddr_un address = {};
  if (path.size() >= sizeof(address.sun_path)) {
    return false;
  }
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool is_up =
      fd >= 0 &&
      ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;  // NOLINT
  ::close(fd);
  return is_up;
}

void end_and_wait(const DaemonRecord& daemon) {
  ::kill(daemon.pid, SIGTERM);
  for (int tries = 0; tries < 200 && process_start_time(daemon.pid) == daemon.start_time; ++tries) {
    ::waitpid(daemon.pid, nullptr, WNOHANG);
    ::usleep(50'000);  // on the blocking pool
  }
}

/// Writes config.toml where it differs; true where a running daemon must be restarted for it.
Result<bool> write_config(const ContainerdOptions& options) {
  auto settings = options.settings;
  settings.may_lower_oom_score = may_lower_oom_score(read_text("/proc/self/status"));
  const auto text = containerd_config(settings);
  const auto path = options.directory / "config.toml";
  if (read_text(path) == text) {
    return false;
  }
  TRY_STATUS(write_text(path, text));
  return true;
}

Result<DaemonRecord> launch_daemon(const ContainerdOptions& options) {
  const auto log_path = options.directory / "containerd.log";
  std::error_code ignored;
  if (std::filesystem::file_size(log_path, ignored) > kLogMax && !ignored) {
    std::filesystem::rename(log_path, options.directory / "containerd.log.1", ignored);
  }
  TRY(const pid_t pid,
      spawn_daemon({options.binary, "--config", (options.directory / "config.toml").string()},
                   log_path));
  const DaemonRecord record{pid, process_start_time(pid)};
  TRY_STATUS(write_text(options.directory / "containerd.pid",
                        fmt::format("{} {}\n", record.pid, record.start_time)));
  return record;
}

/// The last lines that containerd wrote: why it did not come up.
std::string log_tail(const std::filesystem::path& directory) {
  const auto text = read_text(directory / "containerd.log");
  return text.size() > 600 ? text.substr(text.size() - 600) : text;
}

}  // namespace

DaemonRecord find_daemon(const std::filesystem::path& directory) {
  DaemonRecord record;
  std::istringstream text(read_text(directory / "containerd.pid"));
  text >> record.pid >> record.start_time;
  if (record.pid > 0 && record.start_time != 0 &&
      process_start_time(record.pid) == record.start_time) {
    return record;
  }
  return {};
}

Containerd::Containerd(ContainerdOptions options, async::BlockingPool& blocking)
    : options_(std::move(options)), blocking_(blocking) {}

Containerd::~Containerd() = default;

Task<Status> Containerd::start() {
  auto prepare = [options = options_]() -> Result<DaemonRecord> {
    TRY_STATUS(make_directories(options));
    TRY(const bool is_changed, write_config(options));
    DaemonRecord daemon = find_daemon(options.directory);
    if (daemon.pid != 0 && is_changed) {
      end_and_wait(daemon);
      daemon = {};
    }
    return daemon;
  };
  CO_TRY(daemon_, co_await on_pool(blocking_, std::move(prepare)));
  if (daemon_.pid != 0) {
    log::info("agent", "adopted containerd, pid {}", daemon_.pid);
    const auto up = co_await wait_for_socket();
    if (up.ok() || process_start_time(daemon_.pid) == daemon_.start_time) {
      co_return up;
    }
    // It was on its way out when we found it.
    log::warning("agent", "containerd (pid {}) has ended; starting it again", daemon_.pid);
  }
  co_return co_await launch();
}

Task<Status> Containerd::launch() {
  auto work = [options = options_] { return launch_daemon(options); };
  CO_TRY(daemon_, co_await on_pool(blocking_, std::move(work)));
  log::info("agent", "started containerd, pid {}", daemon_.pid);
  co_return co_await wait_for_socket();
}

Task<Status> Containerd::wait_for_socket() {
  for (int tries = 0; tries < kStartTries; ++tries) {
    if (accepts_connections(options_.settings.socket)) {
      started_.raise();
      co_return ok();
    }
    if (tries % 10 == 9 && process_start_time(daemon_.pid) != daemon_.start_time) {
      ::waitpid(daemon_.pid, nullptr, WNOHANG);
      co_return Error{Code::unavailable,
                      "containerd ended at once: " + log_tail(options_.directory)};
    }
    co_await async::sleep_for(milliseconds(50));
  }
  co_return Error{Code::timeout, "containerd does not answer on " + options_.settings.socket};
}

/// Works for our child and for an adopted process alike.
Task<void> Containerd::wait_for_end(int pid) {
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0) {
    co_return;  // gone already
  }
  asio::posix::stream_descriptor process(co_await asio::this_coro::executor, fd);
  const auto [error] =
      co_await process.async_wait(asio::posix::stream_descriptor::wait_read, kAwait);
  if (error) {
    co_await async::sleep_for(seconds(1));  // when we are being stopped, this unwinds
  }
  ::waitpid(pid, nullptr, WNOHANG);
}

Task<void> Containerd::supervise() {
  constexpr seconds kPauseMax(30);
  seconds pause(0);  // none before the first attempt: pods wait for it
  auto begun = system_clock().now();
  while (true) {
    if (daemon_.pid != 0) {
      co_await wait_for_end(daemon_.pid);
      log::warning("agent", "containerd (pid {}) has ended; starting it again", daemon_.pid);
    }
    daemon_ = {};
    const auto ran = system_clock().now() - begun;
    pause = ran > 2 * kPauseMax ? seconds(0) : pause;
    co_await async::sleep_for(pause);
    pause = std::clamp(pause * 2, seconds(1), kPauseMax);
    begun = system_clock().now();
    if (const auto launched = co_await launch(); !launched.ok()) {
      log::error("agent", "cannot start containerd: {}", launched.error().message);
      daemon_ = {};
    }
  }
}

}  // namespace tetrarch::agent::runtime
