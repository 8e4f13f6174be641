// SPDX-License-Identifier: Apache-2.0
#include "app/ownership.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>
#include <sys/file.h>

#include "app/machine.h"

namespace tetrarch::app {

Result<std::unique_ptr<Ownership>> Ownership::take(const std::string& data_dir) {
  TRY_STATUS(make_directory(data_dir));
  const auto path = data_dir + "/tetrarch.pid";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return Error{Code::internal, fmt::format("cannot open {}: {}", path, std::strerror(errno))};
  }
  auto owned = std::make_unique<Ownership>(fd, path);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    owned->is_ours_ = false;
    return Error{
        Code::unavailable,
        fmt::format(
            "another tetrarch runs from {} (process {}); `tetrarch down --data-dir {}` ends it",
            data_dir,
            read_file(path).value_or("?"),
            data_dir)};
  }
  const auto pid = std::to_string(getpid());
  if (ftruncate(fd, 0) != 0 ||
      write(fd, pid.data(), pid.size()) != static_cast<ssize_t>(pid.size())) {
    return Error{Code::internal, fmt::format("cannot write {}", path)};
  }
  return owned;
}

Ownership::~Ownership() {
  if (is_ours_) {
    unlink(path_.c_str());
  }
  close(fd_);
}

}  // namespace tetrarch::app
