// SPDX-License-Identifier: Apache-2.0
#include "app/bench_server.h"

#include <array>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <mutex>
#include <unistd.h>
#include <vector>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "app/connect.h"
#include "app/machine.h"
#include "base/clock.h"
#include "load/report.h"

namespace tetrarch::app {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::minutes kStartLimit{2};

std::mutex alive_mutex;
BenchServer* alive = nullptr;  // guarded by alive_mutex; for end_at_once

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

Result<int> free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = loopback(0);
  socklen_t size = sizeof(address);
  auto* plain = reinterpret_cast<sockaddr*>(&address);
  const bool is_bound =
      fd >= 0 && ::bind(fd, plain, size) == 0 && ::getsockname(fd, plain, &size) == 0;
  ::close(fd);
  if (!is_bound) {
    return Error{Code::unavailable, "no free port on 127.0.0.1"};
  }
  return static_cast<int>(ntohs(address.sin_port));
}

/// After fork, in the child: only what is safe there.
[[noreturn]] void become(const std::vector<char*>& words, int log) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // it does not outlive the benchmark
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execv("/proc/self/exe", words.data());
  ::_exit(127);
}

int run_child(std::vector<std::string> command, const fs::path& log) {
  std::vector<char*> words;
  words.reserve(command.size() + 1);
  for (auto& word : command) {
    words.push_back(word.data());
  }
  words.push_back(nullptr);
  const int fd = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const int pid = ::fork();
  if (pid == 0) {
    become(words, fd);
  }
  ::close(fd);
  return pid;
}

}  // namespace

Result<std::unique_ptr<BenchServer>> BenchServer::make(std::string command) {
  std::string name = (fs::temp_directory_path() / "tetrarch-bench-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) {
    return Error{Code::unavailable, "no directory can be made in $TMPDIR"};
  }
  TRY(const int port, free_port());
  return std::make_unique<BenchServer>(Private{}, std::move(command), name, port);
}

BenchServer::BenchServer(Private, std::string command, fs::path directory, int port)
    : command_(std::move(command)), directory_(std::move(directory)), port_(port) {
  const std::lock_guard lock(alive_mutex);
  alive = this;
}

BenchServer::~BenchServer() {
  {
    const std::lock_guard lock(alive_mutex);
    alive = nullptr;
  }
  end();
}

void BenchServer::end() {
  if (command_ == "up") {
    const int down = run_child({"tetrarch", "down", "--purge", "--data-dir", data().string()},
                               directory_ / "down.log");
    ::waitpid(down, nullptr, 0);
  }
  stop();
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

void BenchServer::end_at_once() {
  const std::lock_guard lock(alive_mutex);
  if (alive != nullptr) {
    alive->end();
  }
}

Status BenchServer::spawn() {
  // Addresses of an `up` beside another cluster of this machine, and a range for each of 5,000
  // nodes.
  pid_ = run_child({"tetrarch",
                    command_,
                    "--data-dir",
                    data().string(),
                    "--api-listen",
                    fmt::format("127.0.0.1:{}", port_),
                    "--node-name",
                    "bench",
                    "--pod-cidr",
                    "10.96.0.0/11",
                    "--service-cidr",
                    "10.79.0.0/16",
                    "--fleet-listen",
                    fleet_url()},
                   directory_ / "log");
  return pid_ > 0 ? ok() : Status(Error{Code::unavailable, "cannot start a server"});
}

/// A TLS client is costly enough to slow down what it waits for: first whether anybody listens.
bool BenchServer::is_ready() const {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto address = loopback(port_);
  const bool is_listening =
      ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  ::close(fd);
  return is_listening && fs::exists(data() / "admin.kubeconfig") && get("/readyz").ok();
}

Result<double> BenchServer::start() {
  const auto begun = system_clock().steady();
  TRY_STATUS(spawn());
  while (system_clock().steady() < begun + kStartLimit) {
    if (::waitpid(pid_, nullptr, WNOHANG) != 0) {
      pid_ = 0;
      const auto log = read_file(directory_ / "log");
      return Error{Code::unavailable,
                   fmt::format("the server has ended: {}", log.ok() ? *log : "without a word")};
    }
    if (is_ready()) {
      return std::chrono::duration<double>(system_clock().steady() - begun).count();
    }
    ::usleep(2000);
  }
  return Error{Code::timeout, "the server is not ready after two minutes"};
}

void BenchServer::stop() {
  if (pid_ > 0) {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
}

Result<load::Arguments> BenchServer::arguments(std::string mode) const {
  TRY(auto out, load::arguments_of_kubeconfig((data() / "admin.kubeconfig").string()));
  out.mode = std::move(mode);
  out.server_pid = pid_;
  out.keeps = true;  // the whole directory is removed
  return out;
}

Result<std::string> BenchServer::get(const std::string& path) const {
  TRY(const auto connection, Connection::as_admin(data().string()));
  TRY(const auto answer, connection->ask({.target = path}));
  if (answer.status != 200) {
    return Error{Code::unavailable, fmt::format("GET {}: {}", path, answer.status)};
  }
  return answer.body;
}

double BenchServer::resident_mb() const {
  std::ifstream file(fmt::format("/proc/{}/statm", pid_));
  long pages = 0;
  file >> pages >> pages;  // Source: proc(5): the second is the resident set
  return static_cast<double>(pages) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1048576;
}

double BenchServer::cpu_seconds() const {
  return std::chrono::duration<double>(load::cpu_time(pid_)).count();
}

}  // namespace tetrarch::app
