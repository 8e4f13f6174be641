// SPDX-License-Identifier: Apache-2.0
// What is mounted for a pod's volumes: memory (secrets, tokens, emptyDir of medium Memory) and
// parts of volumes (subPath). Blocking; used on the pool. All is idempotent: a new agent process
// finds the mounts of the one before and takes them as its own.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace tetrarch::agent {

/// "cannot open /x: Permission denied", for the volumes' files and mounts.
Error file_error(std::string_view what, const std::filesystem::path& path, int error);

/// A file descriptor that is closed with its owner.
class OwnedFd {
 public:
  explicit OwnedFd(int fd = -1) : fd_(fd) {}

  OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

  OwnedFd& operator=(OwnedFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }

  ~OwnedFd();

  int get() const { return fd_; }

 private:
  int fd_;
};

/// A tmpfs at `directory`, which is made where it is not there; kept out of swap where the kernel
/// can. `options` as of mount(8). False: one was there, and stays as it is.
Result<bool> mount_memory(const std::filesystem::path& directory, std::string options);

/// A part of a volume and the place from which a container gets it.
struct SubPath {
  std::filesystem::path volume;
  std::string inner;
  std::filesystem::path target;
};

/// What `inner` is inside the volume at this moment, held open (O_PATH): whatever a container makes
/// of the name afterwards, the descriptor stays where it is. Directories that are not there are
/// made, with the volume's own mode. Refused where links lead outside, also while somebody swaps
/// them.
Result<OwnedFd> open_sub_path(const std::filesystem::path& volume, std::string_view inner);

/// Binds that part to its target, in place of what an earlier attempt had there.
Status bind_sub_path(const SubPath& part);

/// Unmounts everything mounted at or below a path. An error says what would not go: then nothing
/// below may be removed, for it may be somebody else's.
Status unmount_below(const std::filesystem::path& path);

/// Unmounts everything below and removes the folder.
Status remove_volumes(const std::filesystem::path& directory);

}  // namespace tetrarch::agent
