// SPDX-License-Identifier: Apache-2.0
#include "app/ownership.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "app/machine.h"

namespace tetrarch::app {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLook{20};

bool lock(int fd, milliseconds patience) {
  while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (patience.count() <= 0) {
      return false;
    }
    std::this_thread::sleep_for(kLook);
    patience -= kLook;
  }
  return true;
}

/// The owner before removes its file before it lets go of it: what was opened just then and locked
/// afterwards is no file any more, and would not be seen by whoever comes next.
Result<int> open_locked(const std::string& data_dir,
                        const std::string& path,
                        milliseconds patience) {
  while (true) {
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
      return Error{Code::internal, fmt::format("cannot open {}: {}", path, std::strerror(errno))};
    }
    const bool is_locked = lock(fd, patience);
    if (is_locked && is_at(fd, path)) {
      return fd;
    }
    close(fd);
    if (!is_locked) {
      return Error{
          Code::unavailable,
          fmt::format(
              "another tetrarch runs from {} (process {}); `tetrarch down --data-dir {}` ends it",
              data_dir,
              read_file(path).value_or("?"),
              data_dir)};
    }
  }
}

}  // namespace

bool is_at(int fd, const std::string& path) {
  struct stat opened {};

  struct stat there {};

  return fstat(fd, &opened) == 0 && stat(path.c_str(), &there) == 0 &&
         opened.st_dev == there.st_dev && opened.st_ino == there.st_ino;
}

Result<std::unique_ptr<Ownership>> Ownership::take(const std::string& data_dir,
                                                   milliseconds patience) {
  TRY_STATUS(make_directory(data_dir));
  const auto path = data_dir + "/tetrarch.pid";
  TRY(const int fd, open_locked(data_dir, path, patience));
  auto owned = std::make_unique<Ownership>(fd, path);
  const auto pid = std::to_string(getpid());
  if (ftruncate(fd, 0) != 0 ||
      write(fd, pid.data(), pid.size()) != static_cast<ssize_t>(pid.size())) {
    return Error{Code::internal, fmt::format("cannot write {}", path)};
  }
  return owned;
}

Ownership::~Ownership() {
  unlink(path_.c_str());
  close(fd_);
}

}  // namespace tetrarch::app
