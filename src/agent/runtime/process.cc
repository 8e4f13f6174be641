// SPDX-License-Identifier: Apache-2.0
#include "agent/runtime/process.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <spawn.h>
#include <sstream>
#include <string_view>
#include <unistd.h>

#include <fmt/format.h>
#include <sys/wait.h>

extern char** environ;

namespace tetrarch::agent::runtime {
namespace {

constexpr std::size_t kOutputMax = 1 << 20;

// What systemd tells one process of a unit, and no child of it: containerd would answer
// NOTIFY_SOCKET too. Source: sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3);
// systemd.exec(5), Environment.
constexpr std::string_view kServiceVariables[] = {"NOTIFY_SOCKET",
                                                  "WATCHDOG_PID",
                                                  "WATCHDOG_USEC",
                                                  "LISTEN_PID",
                                                  "LISTEN_FDS",
                                                  "LISTEN_FDNAMES",
                                                  "INVOCATION_ID",
                                                  "JOURNAL_STREAM"};

bool is_for_service_alone(std::string_view variable) {
  return std::ranges::find(kServiceVariables, variable.substr(0, variable.find('='))) !=
         std::end(kServiceVariables);
}

std::vector<char*> environment_of_children() {
  std::vector<char*> out;
  for (char** at = environ; *at != nullptr; ++at) {
    if (!is_for_service_alone(*at)) {
      out.push_back(*at);
    }
  }
  out.push_back(nullptr);
  return out;
}

/// posix_spawn's two records, freed together.
class SpawnPlan {
 public:
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    // The child must not inherit a blocked or ignored SIGTERM from our threads.
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    sigset_t defaults;
    sigfillset(&defaults);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
  }

  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }

  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  /// Call once, after the redirections.
  Result<pid_t> start(const std::vector<std::string>& command, short extra_flags) {
    // Asio's sockets are not close-on-exec: a child that outlives us must not keep our ports.
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    posix_spawnattr_setflags(
        &attributes,
        static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | extra_flags));
    std::vector<char*> words;
    words.reserve(command.size() + 1);
    for (const auto& word : command) {
      words.push_back(
          const_cast<char*>(word.c_str()));  // NOLINT: the interface of exec takes char*
    }
    words.push_back(nullptr);
    pid_t pid = 0;
    const auto environment = environment_of_children();
    const int error =
        posix_spawnp(&pid, words[0], &actions, &attributes, words.data(), environment.data());
    if (error != 0) {
      return Error{Code::unavailable,
                   fmt::format("cannot start {}: {}", command[0], std::strerror(error))};
    }
    return pid;
  }

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

std::string drain(int fd) {
  std::string out;
  std::array<char, 16384> buffer;
  while (true) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      return out;
    }
    if (out.size() < kOutputMax) {
      out.append(buffer.data(), static_cast<std::size_t>(n));
    }
  }
}

}  // namespace

Result<Ran> run_process(const std::vector<std::string>& command) {
  int pipe_fds[2];
  if (::pipe2(pipe_fds, O_CLOEXEC) != 0) {
    return Error{Code::unavailable, fmt::format("no pipe: {}", std::strerror(errno))};
  }
  SpawnPlan plan;
  posix_spawn_file_actions_adddup2(&plan.actions, pipe_fds[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&plan.actions, pipe_fds[1], STDERR_FILENO);
  const auto pid = plan.start(command, 0);
  ::close(pipe_fds[1]);
  if (!pid) {
    ::close(pipe_fds[0]);
    return pid.error();
  }
  Ran ran;
  ran.output = drain(pipe_fds[0]);
  ::close(pipe_fds[0]);
  int status = 0;
  while (::waitpid(*pid, &status, 0) < 0 && errno == EINTR) {
  }
  ran.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return ran;
}

Result<pid_t> spawn_daemon(const std::vector<std::string>& command,
                           const std::filesystem::path& log) {
  SpawnPlan plan;
  posix_spawn_file_actions_addopen(
      &plan.actions, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&plan.actions, STDOUT_FILENO, STDERR_FILENO);
  return plan.start(command, POSIX_SPAWN_SETSID);
}

std::uint64_t process_start_time(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string line;
  if (!std::getline(file, line)) {
    return 0;
  }
  // Source: proc(5): fields after the parenthesised name; state is the 3rd field, starttime the
  // 22nd.
  const auto close = line.rfind(')');
  if (close == std::string::npos) {
    return 0;
  }
  std::istringstream fields(line.substr(close + 1));
  std::string field;
  for (int number = 3; number <= 22 && fields >> field; ++number) {
    if (number == 3 && (field == "Z" || field == "X")) {
      return 0;
    }
  }
  std::uint64_t start = 0;
  std::from_chars(field.data(), field.data() + field.size(), start);
  return start;
}

}  // namespace tetrarch::agent::runtime
