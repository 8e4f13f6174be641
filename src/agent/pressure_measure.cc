// SPDX-License-Identifier: Apache-2.0
#include "agent/pressure_measure.h"

#include <algorithm>
#include <fstream>
#include <fts.h>
#include <memory>
#include <sstream>

#include <sys/stat.h>
#include <sys/statvfs.h>

namespace tetrarch::agent {
namespace {

namespace fs = std::filesystem;

std::int64_t number_in(const fs::path& file) {
  std::ifstream in(file);
  std::int64_t out = 0;
  in >> out;
  return in ? out : 0;
}

/// What is free, and what the kernel can take back from files that nobody read of late.
/// Source: Kubernetes documentation, "Node-pressure Eviction", memory.available: capacity less the
/// working set, which is usage without inactive files. Ours: from meminfo with both versions of
/// control groups, for the root of version 2 has no usage of its own.
void observe_memory(Observations& out, const fs::path& proc) {
  std::ifstream in(proc / "meminfo");
  std::int64_t total = -1;
  std::int64_t free = -1;
  std::int64_t inactive_file = 0;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string name;
    std::int64_t kib = 0;
    words >> name >> kib;
    if (name == "MemTotal:") {
      total = kib;
    } else if (name == "MemFree:") {
      free = kib;
    } else if (name == "Inactive(file):") {
      inactive_file = kib;
    }
  }
  if (total > 0 && free >= 0) {
    out[Signal::memory_available] = {(free + inactive_file) * 1024, total * 1024};
  }
}

void observe_disk(Observations& out, const fs::path& place, Signal bytes, Signal inodes) {
  struct statvfs disk = {};
  if (::statvfs(place.c_str(), &disk) != 0 || disk.f_blocks == 0) {
    return;
  }
  // Ours: as df counts, so that what is reserved for others is no part of the disk. kubelet takes
  // its whole size, and finds a disk short of which pods could still use a third.
  const auto unit = static_cast<std::int64_t>(disk.f_frsize);
  const auto available = static_cast<std::int64_t>(disk.f_bavail) * unit;
  const auto used = static_cast<std::int64_t>(disk.f_blocks - disk.f_bfree) * unit;
  out[bytes] = {available, used + available};
  if (disk.f_files > 0) {  // some file systems make inodes as they go
    out[inodes] = {static_cast<std::int64_t>(disk.f_ffree),
                   static_cast<std::int64_t>(disk.f_files)};
  }
}

/// Threads count: each takes a number. Source: proc(5), loadavg's fourth field.
void observe_pids(Observations& out, const fs::path& proc) {
  const auto most =
      std::min(number_in(proc / "sys/kernel/pid_max"), number_in(proc / "sys/kernel/threads-max"));
  std::ifstream in(proc / "loadavg");
  std::string word;
  for (int i = 0; i < 4; ++i) {
    in >> word;
  }
  const auto slash = word.find('/');
  if (most <= 0 || !in || slash == std::string::npos) {
    return;
  }
  const auto running = std::strtoll(word.c_str() + slash + 1, nullptr, 10);
  out[Signal::pid_available] = {most - running, most};
}

}  // namespace

Observations Measured::observe() const {
  Observations out;
  observe_memory(out, proc);
  observe_disk(out, nodefs, Signal::nodefs_available, Signal::nodefs_inodes_free);
  observe_disk(out, imagefs, Signal::imagefs_available, Signal::imagefs_inodes_free);
  observe_pids(out, proc);
  return out;
}

bool Measured::has_image_disk() const {
  struct stat one = {};
  struct stat other = {};
  return ::stat(nodefs.c_str(), &one) == 0 && ::stat(imagefs.c_str(), &other) == 0 &&
         one.st_dev != other.st_dev;
}

DiskUsage disk_usage_of(const fs::path& folder) {
  DiskUsage out;
  std::string name = folder.string();
  char* const list[] = {name.data(), nullptr};
  const std::unique_ptr<FTS, int (*)(FTS*)> walk(
      ::fts_open(list, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, nullptr), &::fts_close);
  while (walk != nullptr) {
    const FTSENT* entry = ::fts_read(walk.get());
    if (entry == nullptr) {
      break;
    }
    const bool is_counted = entry->fts_info != FTS_DP && entry->fts_info != FTS_NS &&
                            entry->fts_info != FTS_ERR && entry->fts_info != FTS_DNR;
    if (is_counted && entry->fts_statp != nullptr) {
      out.bytes += static_cast<std::int64_t>(entry->fts_statp->st_blocks) * 512;
      ++out.inodes;
    }
  }
  return out;
}

}  // namespace tetrarch::agent
