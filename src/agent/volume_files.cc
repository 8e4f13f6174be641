// SPDX-License-Identifier: Apache-2.0
#include "agent/volume_files.h"

#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <set>
#include <sstream>
#include <unistd.h>

#include <fmt/format.h>
#include <sys/stat.h>

#include "agent/volume_mounts.h"
#include "base/random.h"

namespace tetrarch::agent {
namespace {

namespace fs = std::filesystem;

Status make_directory(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  return error ? Status(file_error("make", path, error.value())) : ok();
}

Status write_new_file(const fs::path& path,
                      std::string_view bytes,
                      int mode,
                      bool is_lasting = false) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    return file_error("write", path, errno);
  }
  Status out = ok();
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0) {
      out = file_error("write", path, errno);
      break;
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  ::fchmod(fd, static_cast<mode_t>(mode & 07777));
  if (is_lasting && ::fdatasync(fd) != 0) {
    out = file_error("flush", path, errno);
  }
  ::close(fd);
  return out;
}

/// Group ownership for fsGroup. Source: Kubernetes API, PodSecurityContext.fsGroup: owned by the
/// group, its setgid bit set, files readable (and writable where volumes are) by it.
void give_to_group(const fs::path& path, int group, bool is_directory) {
  static_cast<void>(::lchown(path.c_str(), static_cast<uid_t>(-1), static_cast<gid_t>(group)));
  struct stat at = {};
  if (::lstat(path.c_str(), &at) == 0 && !S_ISLNK(at.st_mode)) {
    static_cast<void>(::chmod(path.c_str(), at.st_mode | (is_directory ? 02770U : 0440U)));
  }
}

void give_tree_to_group(const fs::path& directory, int group) {
  give_to_group(directory, group, true);
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(directory, error)) {
    give_to_group(entry.path(), group, entry.is_directory(error) && !entry.is_symlink(error));
  }
}

Status write_tree(const fs::path& directory, const Payload& payload) {
  for (const auto& [path, file] : payload) {
    TRY_STATUS(make_directory((directory / path).parent_path()));
    TRY_STATUS(write_new_file(directory / path, file.bytes, file.mode));
  }
  return ok();
}

/// Whether the current content is exactly this: then nothing is touched and no inode changes.
bool is_current(const fs::path& data, const Payload& payload) {
  std::error_code error;
  if (!fs::exists(data, error)) {
    return false;
  }
  std::size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(data, error)) {
    if (entry.is_directory(error)) {
      continue;
    }
    ++files;
    const auto at = payload.find(fs::relative(entry.path(), data, error).string());
    if (at == payload.end()) {
      return false;
    }
    std::ifstream file(entry.path(), std::ios::binary);
    std::ostringstream bytes;
    bytes << file.rdbuf();
    if (bytes.str() != at->second.bytes) {
      return false;
    }
  }
  return files == payload.size();
}

Status link_over(const fs::path& target, const fs::path& link) {
  const fs::path fresh = link.string() + "_tmp";
  ::unlink(fresh.c_str());
  if (::symlink(target.c_str(), fresh.c_str()) != 0) {
    return file_error("link", fresh, errno);
  }
  if (::rename(fresh.c_str(), link.c_str()) != 0) {
    return file_error("rename", link, errno);
  }
  return ok();
}

/// The names that the pod sees: links through ..data, one per first component of a path.
Status link_names(const fs::path& directory, const Payload& payload) {
  std::set<std::string> names;
  for (const auto& [path, file] : payload) {
    names.insert(path.substr(0, path.find('/')));
  }
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    const auto name = entry.path().filename().string();
    if (!name.starts_with("..") && !names.contains(name) && entry.is_symlink(error)) {
      ::unlink(entry.path().c_str());
    }
  }
  for (const auto& name : names) {
    if (!fs::is_symlink(directory / name, error)) {
      TRY_STATUS(link_over(fs::path("..data") / name, directory / name));
    }
  }
  return ok();
}

}  // namespace

Status write_payload(const fs::path& directory, const Payload& payload, std::optional<int> group) {
  TRY_STATUS(make_directory(directory));
  const auto data = directory / "..data";
  if (is_current(data, payload)) {
    return link_names(directory, payload);
  }
  std::error_code error;
  const auto old = fs::read_symlink(data, error);
  const fs::path fresh = fmt::format("..{}", make_uuid(system_random()));
  TRY_STATUS(make_directory(directory / fresh));
  TRY_STATUS(write_tree(directory / fresh, payload));
  ::chmod((directory / fresh).c_str(), 0755);
  if (group) {
    give_tree_to_group(directory / fresh, *group);
  }
  TRY_STATUS(link_over(fresh, data));
  TRY_STATUS(link_names(directory, payload));
  if (!old.empty() && old != fresh) {
    fs::remove_all(directory / old, error);
  }
  return ok();
}

Status write_payload_in_memory(const fs::path& directory,
                               const Payload& payload,
                               std::optional<int> group) {
  std::error_code error;
  if (!fs::exists(directory, error) || fs::is_empty(directory, error)) {
    TRY([[maybe_unused]] const bool is_new, mount_memory(directory, "mode=0755"));
  }
  return write_payload(directory, payload, group);
}

Status make_empty_dir(const fs::path& directory,
                      bool is_memory,
                      std::int64_t size_bytes,
                      std::optional<int> group) {
  bool is_new = !fs::exists(directory);
  TRY_STATUS(make_directory(directory));
  if (is_memory) {
    TRY(is_new,
        mount_memory(directory,
                     size_bytes > 0 ? fmt::format("mode=0777,size={}", size_bytes) : "mode=0777"));
  }
  if (is_new) {
    ::chmod(directory.c_str(), 0777);
    if (group) {
      give_to_group(directory, *group, true);
    }
  }
  return ok();
}

Status check_host_path(const fs::path& path, std::string_view type) {
  std::error_code error;
  if (type == "DirectoryOrCreate" && !fs::exists(path, error)) {
    return make_directory(path);
  }
  if (type == "FileOrCreate" && !fs::exists(path, error)) {
    return write_new_file(path, "", 0644);
  }

  struct Row {
    std::string_view type;
    fs::file_type wanted;
    std::string_view name;
  };

  constexpr Row kRows[] = {{"Directory", fs::file_type::directory, "directory"},
                           {"DirectoryOrCreate", fs::file_type::directory, "directory"},
                           {"File", fs::file_type::regular, "file"},
                           {"FileOrCreate", fs::file_type::regular, "file"},
                           {"Socket", fs::file_type::socket, "socket file"},
                           {"CharDevice", fs::file_type::character, "character device"},
                           {"BlockDevice", fs::file_type::block, "block device"}};
  for (const Row& row : kRows) {
    if (row.type == type && fs::status(path, error).type() != row.wanted) {
      return Error{
          Code::invalid,
          fmt::format("hostPath type check failed: {} is not a {}", path.string(), row.name)};
    }
  }
  return ok();
}

namespace {

Status write_and_rename(const fs::path& path, std::string_view bytes, int mode, bool is_lasting) {
  TRY_STATUS(make_directory(path.parent_path()));
  // A name that no file of the folder has: "a.new" may be one.
  const auto fresh = path.parent_path() / fmt::format(".{}.new", path.filename().string());
  TRY_STATUS(write_new_file(fresh, bytes, mode, is_lasting));
  if (::rename(fresh.c_str(), path.c_str()) != 0) {
    return file_error("rename", path, errno);
  }
  return ok();
}

}  // namespace

Status write_file(const fs::path& path, std::string_view bytes, int mode) {
  return write_and_rename(path, bytes, mode, false);
}

Status write_lasting_file(const fs::path& path, std::string_view bytes, int mode) {
  return write_and_rename(path, bytes, mode, true);
}

}  // namespace tetrarch::agent
