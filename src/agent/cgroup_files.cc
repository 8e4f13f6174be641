// SPDX-License-Identifier: Apache-2.0
#include "agent/cgroup_files.h"

#include <csignal>
#include <cstring>
#include <fstream>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "agent/resources.h"

namespace tetrarch::agent {
namespace {

namespace fs = std::filesystem;

constexpr const char* kControllersV1[] = {"cpu",
                                          "memory",
                                          "pids",
                                          "freezer",
                                          "cpuset",
                                          "blkio",
                                          "devices",
                                          "cpuacct",
                                          "systemd",
                                          "hugetlb",
                                          "net_cls",
                                          "net_prio",
                                          "perf_event",
                                          "rdma",
                                          "misc"};

Status write_value(const fs::path& file, const std::string& value) {
  std::ofstream out(file);
  out << value << std::flush;
  if (!out) {
    return Error{Code::unavailable, fmt::format("cannot write {} to {}", value, file.string())};
  }
  return ok();
}

std::string_view relative(std::string_view path) {
  return path.starts_with('/') ? path.substr(1) : path;
}

Status make_directory(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) {
    return Error{Code::unavailable,
                 fmt::format("cannot make cgroup {}: {}", path.string(), error.message())};
  }
  return ok();
}

Status make_v1(const fs::path& mount, std::string_view path, const runtime::Resources& resources) {
  if (fs::exists(mount / "cpu")) {
    const auto group = mount / "cpu" / relative(path);
    TRY_STATUS(make_directory(group));
    TRY_STATUS(write_value(group / "cpu.shares", std::to_string(resources.cpu_shares)));
    if (resources.cpu_quota_us > 0 && fs::exists(group / "cpu.cfs_quota_us")) {
      TRY_STATUS(write_value(group / "cpu.cfs_period_us", std::to_string(resources.cpu_period_us)));
      TRY_STATUS(write_value(group / "cpu.cfs_quota_us", std::to_string(resources.cpu_quota_us)));
    }
  }
  if (fs::exists(mount / "memory")) {
    const auto group = mount / "memory" / relative(path);
    TRY_STATUS(make_directory(group));
    if (resources.memory_limit_bytes > 0) {
      TRY_STATUS(write_value(group / "memory.limit_in_bytes",
                             std::to_string(resources.memory_limit_bytes)));
    }
  }
  return ok();
}

/// Children get only the controllers that every ancestor hands down.
void enable_controllers(const fs::path& group) {
  for (const char* controller : {"+cpu", "+memory", "+pids", "+io", "+cpuset"}) {
    static_cast<void>(
        write_value(group / "cgroup.subtree_control", controller));  // absent ones refuse
  }
}

Status make_v2(const fs::path& mount, std::string_view path, const runtime::Resources& resources) {
  fs::path group = mount;
  enable_controllers(group);
  for (const auto& part : fs::path(relative(path))) {
    group /= part;
    TRY_STATUS(make_directory(group));
    enable_controllers(group);
  }
  if (fs::exists(group / "cpu.weight")) {
    TRY_STATUS(write_value(group / "cpu.weight", std::to_string(cpu_weight(resources.cpu_shares))));
    if (resources.cpu_quota_us > 0) {
      TRY_STATUS(
          write_value(group / "cpu.max",
                      fmt::format("{} {}", resources.cpu_quota_us, resources.cpu_period_us)));
    }
  }
  if (resources.memory_limit_bytes > 0 && fs::exists(group / "memory.max")) {
    TRY_STATUS(write_value(group / "memory.max", std::to_string(resources.memory_limit_bytes)));
  }
  return ok();
}

std::vector<fs::path> groups_of(const fs::path& mount, bool is_v2, std::string_view path) {
  std::vector<fs::path> out;
  if (is_v2) {
    out.push_back(mount / relative(path));
    return out;
  }
  for (const char* controller : kControllersV1) {
    out.push_back(mount / controller / relative(path));
  }
  out.push_back(mount / "unified" / relative(path));
  return out;
}

/// Deepest first: the kernel removes only groups without children.
bool remove_tree(const fs::path& group) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(group, error)) {
    if (entry.is_directory(error)) {
      remove_tree(entry.path());
    }
  }
  return ::rmdir(group.c_str()) == 0 || errno == ENOENT;
}

std::size_t signal_tree(const fs::path& group) {
  std::size_t count = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(group, error)) {
    if (entry.is_directory(error)) {
      count += signal_tree(entry.path());
    }
  }
  std::ifstream file(group / "cgroup.procs");
  for (int pid = 0; file >> pid;) {
    if (pid > 1 && pid != ::getpid()) {
      ::kill(pid, SIGKILL);
      ++count;
    }
  }
  return count;
}

}  // namespace

CgroupFiles::CgroupFiles(fs::path mount)
    : mount_(std::move(mount)), is_v2_(fs::exists(mount_ / "cgroup.controllers")) {}

Status CgroupFiles::make(std::string_view path, const runtime::Resources& resources) const {
  return is_v2_ ? make_v2(mount_, path, resources) : make_v1(mount_, path, resources);
}

Status CgroupFiles::remove(std::string_view path) const {
  bool is_removed = true;
  for (const auto& group : groups_of(mount_, is_v2_, path)) {
    is_removed = remove_tree(group) && is_removed;
  }
  return is_removed
             ? ok()
             : Status(Error{Code::unavailable, fmt::format("cgroup {} is still in use", path)});
}

std::int64_t CgroupFiles::processes(std::string_view path) const {
  const auto group = (is_v2_ ? mount_ : mount_ / "pids") / relative(path);
  std::ifstream file(group / "pids.current");
  std::int64_t out = 0;
  file >> out;
  return file ? out : 0;
}

void CgroupFiles::kill_all(std::string_view path, int tries) const {
  for (; tries > 0; --tries) {
    std::size_t count = 0;
    for (const auto& group : groups_of(mount_, is_v2_, path)) {
      count += signal_tree(group);
    }
    if (count == 0) {
      return;
    }
    ::usleep(50'000);
  }
}

}  // namespace tetrarch::agent
