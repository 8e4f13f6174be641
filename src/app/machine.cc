// SPDX-License-Identifier: Apache-2.0
#include "app/machine.h"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <ifaddrs.h>
#include <poll.h>
#include <sstream>
#include <unistd.h>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>

namespace tetrarch::app {
namespace {

/// Source: proc(5), /proc/net/route: interface, destination, gateway …; the default route has
/// destination 0.
std::string default_interface() {
  std::ifstream routes("/proc/net/route");
  std::string line;
  std::getline(routes, line);
  while (std::getline(routes, line)) {
    std::istringstream words(line);
    std::string interface;
    std::string destination;
    if (words >> interface >> destination && destination == "00000000") {
      return interface;
    }
  }
  return "";
}

Error os_error(std::string_view what, const std::filesystem::path& path) {
  return {Code::internal,
          fmt::format("{} {}: {}", what, path.string(), std::generic_category().message(errno))};
}

constexpr int kPatienceMs = 20'000;

/// Waits for a process's end without asking again and again.
bool has_ended(int pidfd, int patience_ms) {
  pollfd wait{.fd = pidfd, .events = POLLIN, .revents = 0};
  return poll(&wait, 1, patience_ms) > 0;
}

}  // namespace

std::string default_address() {
  const auto wanted = default_interface();
  std::string found = "127.0.0.1";
  ifaddrs* all = nullptr;
  if (wanted.empty() || getifaddrs(&all) != 0) {
    return found;
  }
  for (const ifaddrs* at = all; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr != nullptr && at->ifa_addr->sa_family == AF_INET && at->ifa_name == wanted) {
      char text[INET_ADDRSTRLEN] = "";
      inet_ntop(AF_INET,
                &reinterpret_cast<const sockaddr_in*>(at->ifa_addr)->sin_addr,
                text,
                sizeof(text));
      found = text;
      break;
    }
  }
  freeifaddrs(all);
  return found;
}

std::string host_name() {
  char buffer[256] = "";
  std::string name = gethostname(buffer, sizeof(buffer) - 1) == 0 ? buffer : "node";
  for (char& letter : name) {
    letter = letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
  }
  return name;
}

int running_process(const std::string& data_dir) {
  const auto path = data_dir + "/tetrarch.pid";
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return 0;
  }
  // Only while it is locked its pid is the one that we mean. Shared: others may look as well.
  const bool is_owned = flock(fd, LOCK_SH | LOCK_NB) != 0;
  close(fd);
  return is_owned ? std::atoi(read_file(path).value_or("0").c_str()) : 0;
}

std::string service_of(std::string_view cgroups) {
  std::string out;
  while (!cgroups.empty()) {
    const auto end = cgroups.find_first_of("/\n");
    const auto part = cgroups.substr(0, end);
    if (part.ends_with(".service") && !part.starts_with("user@")) {
      out = part;
    }
    cgroups.remove_prefix(end == std::string_view::npos ? cgroups.size() : end + 1);
  }
  return out;
}

void end_process(const std::string& data_dir) {
  const int pid = running_process(data_dir);
  if (pid <= 1) {
    return;
  }
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (pidfd < 0) {
    return;
  }
  fmt::print("ending process {}\n", pid);
  syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, nullptr, 0);
  if (!has_ended(pidfd, kPatienceMs)) {
    syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0);
    has_ended(pidfd, kPatienceMs);
  }
  close(pidfd);
}

Result<std::string> read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  if (!file) {
    return Error{Code::not_found, fmt::format("cannot read {}", path.string())};
  }
  return out.str();
}

Status write_private_file(const std::filesystem::path& path, std::string_view content) {
  const auto fresh = path.string() + ".new";
  const int fd = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) {
    return os_error("cannot make", fresh);
  }
  const bool is_written =
      write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size()) &&
      fsync(fd) == 0;
  close(fd);
  if (!is_written || rename(fresh.c_str(), path.c_str()) != 0) {
    return os_error("cannot write", path);
  }
  return ok();
}

Status make_directory(const std::filesystem::path& path) {
  std::error_code error;
  const bool is_new = std::filesystem::create_directories(path, error);
  if (error) {
    return Error{Code::internal, fmt::format("cannot make {}: {}", path.string(), error.message())};
  }
  if (is_new) {
    chmod(path.c_str(), 0700);
  }
  return ok();
}

Status sync_directory(const std::filesystem::path& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    return os_error("cannot open", path);
  }
  const bool is_synced = fsync(fd) == 0;
  close(fd);
  return is_synced ? ok() : Status(os_error("cannot sync", path));
}

sigset_t block_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return set;
}

}  // namespace tetrarch::app
