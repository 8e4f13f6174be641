// SPDX-License-Identifier: Apache-2.0
#include "agent/volume_mounts.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "agent/volumes.h"

namespace tetrarch::agent {
namespace {

namespace fs = std::filesystem;

/// Of a file system of its own, which a tmpfs is: its device differs from that of its parent.
bool is_own_file_system(const fs::path& directory) {
  struct stat here = {};
  struct stat above = {};
  return ::lstat(directory.c_str(), &here) == 0 &&
         ::lstat(directory.parent_path().c_str(), &above) == 0 && here.st_dev != above.st_dev;
}

/// Source: Linux 6.4, tmpfs(5), noswap. Older ones complain in their log of a word that they do not
/// know.
bool has_noswap() {
  utsname kernel = {};
  int major = 0;
  int minor = 0;
  return ::uname(&kernel) == 0 && std::sscanf(kernel.release, "%d.%d", &major, &minor) == 2 &&
         std::pair(major, minor) >= std::pair(6, 4);
}

/// As open(2) with O_PATH, and never above `root`, not even for a moment, whoever renames
/// meanwhile. Source: openat2(2), RESOLVE_BENEATH (EXDEV), RESOLVE_NO_MAGICLINKS (ELOOP); EAGAIN
/// asks to try again.
int open_beneath(int root, const fs::path& path) {
  open_how how = {};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  for (int tries = 0; tries < 1000; ++tries) {
    const long fd = ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) {
      return static_cast<int>(fd);
    }
  }
  return -1;
}

/// A directory in `parent`, made where there is none; errno tells why not. Names only, no links: so
/// nothing is made, and no mode is changed, elsewhere.
int make_and_open(int parent, const std::string& name, mode_t mode) {
  const bool is_new = ::mkdirat(parent, name.c_str(), 0700) == 0;
  if (!is_new && errno != EEXIST) {
    return -1;
  }
  const int fd = ::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0 && is_new) {
    ::fchmod(fd, mode);
  }
  return fd;
}

/// What is there of `inner` is taken, the rest is made.
int open_or_make(int root, const fs::path& inner, mode_t mode) {
  if (inner.empty()) {
    return open_beneath(root, ".");
  }
  const int found = open_beneath(root, inner);
  if (found >= 0 || errno != ENOENT) {
    return found;
  }
  const OwnedFd parent(open_or_make(root, inner.parent_path(), mode));
  return parent.get() < 0 ? -1 : make_and_open(parent.get(), inner.filename().string(), mode);
}

/// An empty directory or file, as the source is; an empty one of the other kind gives way.
Status make_target(const fs::path& target, bool is_directory) {
  std::error_code error;
  const auto kind = fs::symlink_status(target, error).type();
  if (kind != fs::file_type::not_found && (kind == fs::file_type::directory) != is_directory) {
    fs::remove(target, error);
  }
  fs::create_directories(is_directory ? target : target.parent_path(), error);
  if (error) {
    return file_error("make", target, error.value());
  }
  if (!is_directory) {
    const OwnedFd file(::open(target.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (file.get() < 0) {
      return file_error("make", target, errno);
    }
  }
  return ok();
}

/// Source: proc(5), mountinfo: space, tab, newline and backslash are written as \ooo.
std::string unescaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (text.front() == '\\' && text.size() >= 4) {
      out += static_cast<char>((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
      text.remove_prefix(4);
    } else {
      out += text.front();
      text.remove_prefix(1);
    }
  }
  return out;
}

/// Deepest first; one that lies over another comes before it.
std::vector<std::string> mounts_below(const std::string& path) {
  std::vector<std::string> out;
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string skip;
    std::string at;
    fields >> skip >> skip >> skip >> skip >> at;
    at = unescaped(at);
    if (at == path || at.starts_with(path + "/")) {
      out.push_back(std::move(at));
    }
  }
  std::sort(out.rbegin(), out.rend());
  return out;
}

}  // namespace

Error file_error(std::string_view what, const fs::path& path, int error) {
  return {Code::unavailable,
          fmt::format("cannot {} {}: {}", what, path.string(), std::strerror(error))};
}

OwnedFd::~OwnedFd() {
  if (fd_ >= 0) {
    const int before = errno;  // often of the call that failed while we were open
    ::close(fd_);
    errno = before;
  }
}

Result<bool> mount_memory(const fs::path& directory, std::string options) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) {
    return file_error("make", directory, error.value());
  }
  if (is_own_file_system(directory)) {
    return false;
  }
  options += has_noswap() ? ",noswap" : "";
  if (::mount("tmpfs", directory.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) != 0) {
    return file_error("mount a tmpfs on", directory, errno);
  }
  return true;
}

Result<OwnedFd> open_sub_path(const fs::path& volume, std::string_view inner) {
  if (!is_inner_path(inner)) {
    return Error{Code::invalid, fmt::format("subPath \"{}\" leaves the volume", inner)};
  }
  const OwnedFd root(::open(volume.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  struct stat at = {};
  if (root.get() < 0 || ::fstat(root.get(), &at) != 0) {
    return file_error("open", volume, errno);
  }
  // Without empty and single-dot components, so that each has a name that can be made.
  const auto path = (fs::path(inner).lexically_normal() / "").parent_path();
  OwnedFd found(open_or_make(root.get(), path, at.st_mode & 07777));
  if (found.get() >= 0) {
    return found;
  }
  if (errno == EXDEV || errno == ELOOP) {
    return Error{Code::invalid, fmt::format("subPath \"{}\" leads outside the volume", inner)};
  }
  return file_error("open the subPath", volume / inner, errno);
}

Status bind_sub_path(const SubPath& part) {
  TRY(const OwnedFd source, open_sub_path(part.volume, part.inner));
  struct stat at = {};
  if (::fstat(source.get(), &at) != 0) {
    return file_error("open", part.volume / part.inner, errno);
  }
  TRY_STATUS(unmount_below(part.target));
  TRY_STATUS(make_target(part.target, S_ISDIR(at.st_mode)));
  // The descriptor, not the name. Source: kubelet, subpath_linux.go, which does the same; what is
  // mounted below the part is not shown.
  const auto name = fmt::format("/proc/self/fd/{}", source.get());
  if (::mount(name.c_str(), part.target.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    return file_error("bind the subPath to", part.target, errno);
  }
  return ok();
}

Status unmount_below(const fs::path& path) {
  std::error_code error;
  const auto real = fs::weakly_canonical(path, error);  // as the kernel names it
  const auto text = (error ? path : real).string();
  int last = 0;
  for (int rounds = 0; rounds < 3; ++rounds) {
    const auto found = mounts_below(text);
    if (found.empty()) {
      return ok();
    }
    for (const auto& at : found) {
      last = ::umount2(at.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0 ? last : errno;
    }
  }
  const auto left = mounts_below(text);
  return left.empty() ? ok() : Status(file_error("unmount", left.front(), last));
}

Status remove_volumes(const fs::path& directory) {
  TRY_STATUS(unmount_below(directory));
  std::error_code error;
  fs::remove_all(directory, error);
  return error ? Status(file_error("remove", directory, error.value())) : ok();
}

}  // namespace tetrarch::agent
