// SPDX-License-Identifier: Apache-2.0
#include "agent/shims.h"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <poll.h>
#include <sstream>
#include <unistd.h>

#include <fmt/format.h>
#include <sys/syscall.h>

#include "agent/runtime/process.h"
#include "agent/volume_mounts.h"

namespace tetrarch::agent {
namespace {

namespace fs = std::filesystem;

constexpr int kTries = 250;  // of 20 ms
constexpr int kPatienceMs = 2000;

std::string read_proc(pid_t pid, const char* name) {
  std::ifstream file(fmt::format("/proc/{}/{}", pid, name), std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<pid_t> all_processes() {
  std::vector<pid_t> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const auto name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") == std::string::npos) {
      out.push_back(static_cast<pid_t>(std::stoi(name)));
    }
  }
  return out;
}

std::vector<std::string_view> words_of(std::string_view command_line) {
  std::vector<std::string_view> out;
  while (!command_line.empty()) {
    const auto end = std::min(command_line.find('\0'), command_line.size());
    out.push_back(command_line.substr(0, end));
    command_line.remove_prefix(std::min(end + 1, command_line.size()));
  }
  return out;
}

/// A machine within this one, made of namespaces, may have a containerd at the same path.
bool is_of_this_machine(pid_t pid) {
  std::error_code error;
  std::error_code own_error;
  const auto its = fs::read_symlink(fmt::format("/proc/{}/ns/pid", pid), error);
  const auto ours = fs::read_symlink("/proc/self/ns/pid", own_error);
  return !error && !own_error && its == ours;
}

std::optional<Shim> shim_at(pid_t pid, const std::string& socket) {
  auto shim = parse_shim(read_proc(pid, "cmdline"), socket);
  if (!shim || !is_of_this_machine(pid)) {
    return std::nullopt;
  }
  shim->pid = pid;
  shim->start_time = runtime::process_start_time(pid);
  return shim;
}

/// 0: it has ended. Source: proc(5), stat: the state and the parent follow the name in parentheses.
pid_t parent_of(pid_t pid) {
  const auto stat = read_proc(pid, "stat");
  std::istringstream fields(stat.substr(std::min(stat.rfind(')') + 1, stat.size())));
  std::string state;
  pid_t parent = 0;
  fields >> state >> parent;
  return parent;
}

/// What runs below it; a shim adopts what its containers leave behind. Those that have ended and
/// wait to be reaped are not among them.
std::map<pid_t, std::uint64_t> descendants_of(pid_t ancestor) {
  std::multimap<pid_t, pid_t> children;
  for (const pid_t pid : all_processes()) {
    children.emplace(parent_of(pid), pid);
  }
  std::map<pid_t, std::uint64_t> out;
  std::vector<pid_t> open = {ancestor};
  while (!open.empty()) {
    const auto [begin, end] = children.equal_range(open.back());
    open.pop_back();
    for (auto at = begin; at != end; ++at) {
      open.push_back(at->second);
      if (const auto start_time = runtime::process_start_time(at->second); start_time != 0) {
        out.emplace(at->second, start_time);
      }
    }
  }
  return out;
}

void note_groups(pid_t pid, std::set<std::string>& groups) {
  std::istringstream lines(read_proc(pid, "cgroup"));
  for (std::string line; std::getline(lines, line);) {
    groups.insert(line.substr(line.rfind('/') + 1));
  }
}

// The functions of these names in glibc 2.36 have no C linkage in C++.
int pidfd_open(pid_t pid) {
  return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}

void pidfd_send_signal(int process, int signal) {
  ::syscall(SYS_pidfd_send_signal, process, signal, nullptr, 0);
}

/// The descriptor holds the number: what is true of the pid once it is open stays true of it.
void kill_process(pid_t pid, std::uint64_t start_time) {
  const OwnedFd process(pidfd_open(pid));
  if (process.get() >= 0 && runtime::process_start_time(pid) == start_time) {
    pidfd_send_signal(process.get(), SIGKILL);
  }
}

bool ends_within(int process, int milliseconds) {
  pollfd wanted = {process, POLLIN, 0};
  return ::poll(&wanted, 1, milliseconds) == 1;
}

}  // namespace

/// Source: containerd 1.6.20, runtime/v2/shim/util.go and runc/manager/manager_linux.go: flags with
/// their values as words of their own, then "start" or "delete", or nothing where it serves.
std::optional<Shim> parse_shim(std::string_view command_line, std::string_view socket) {
  const auto words = words_of(command_line);
  if (words.empty() || !words[0].substr(words[0].rfind('/') + 1).starts_with("containerd-shim")) {
    return std::nullopt;
  }
  Shim out;
  bool is_ours = false;
  for (std::size_t at = 1; at + 1 < words.size(); ++at) {
    const auto value = words[at + 1];
    if (words[at] == "-address") {
      is_ours = value == socket;
    } else if (words[at] == "-namespace") {
      out.ns = value;
    } else if (words[at] == "-id") {
      out.id = value;
    }
  }
  out.is_serving = words.back() != "start" && words.back() != "delete";
  return is_ours ? std::optional(out) : std::nullopt;
}

std::vector<Shim> find_shims(const std::string& socket) {
  std::vector<Shim> out;
  for (const pid_t pid : all_processes()) {
    if (auto shim = shim_at(pid, socket)) {
      out.push_back(std::move(*shim));
    }
  }
  return out;
}

Result<EndedShim> end_shim(const Shim& shim, const std::string& socket) {
  EndedShim out;
  const OwnedFd process(pidfd_open(shim.pid));
  if (process.get() < 0 || shim_at(shim.pid, socket) != shim) {
    return out;
  }
  // The shim last: without it, nothing says any more what belongs to it.
  auto below = descendants_of(shim.pid);
  for (int tries = 0; !below.empty(); ++tries) {
    if (tries == kTries) {
      return Error{Code::timeout, fmt::format("{} processes below it do not end", below.size())};
    }
    for (const auto& [pid, start_time] : below) {
      out.processes.insert(pid);
      note_groups(pid, out.groups);
      kill_process(pid, start_time);
    }
    ::usleep(20'000);
    below = descendants_of(shim.pid);
  }
  // Asked first: then it removes its socket.
  for (const int signal : {SIGTERM, SIGKILL}) {
    pidfd_send_signal(process.get(), signal);
    if (ends_within(process.get(), kPatienceMs)) {
      return out;
    }
  }
  return Error{Code::timeout, "it does not end"};
}

void kill_shims(const std::string& socket) {
  for (int tries = 0; tries < 100; ++tries) {
    const auto shims = find_shims(socket);
    if (shims.empty()) {
      return;
    }
    for (const auto& shim : shims) {
      kill_process(shim.pid, shim.start_time);
    }
    ::usleep(20'000);
  }
}

}  // namespace tetrarch::agent
