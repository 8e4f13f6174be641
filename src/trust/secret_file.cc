// SPDX-License-Identifier: Apache-2.0
#include "trust/secret_file.h"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

#include <sys/stat.h>

namespace tetrarch::trust {
namespace {

constexpr std::size_t kFileSizeMax = std::size_t{16} << 20;

/// A file descriptor with an owner.
class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}

  ~File() { close(); }

  File(const File&) = delete;
  File& operator=(const File&) = delete;

  bool is_open() const { return descriptor_ >= 0; }

  int get() const { return descriptor_; }

  /// True where the kernel reports no late error.
  bool close() {
    const int closing = std::exchange(descriptor_, -1);
    return closing < 0 || ::close(closing) == 0;
  }

 private:
  int descriptor_;
};

Error system_error(const std::string& what, const std::string& path) {
  const int number = errno;
  return {Code::internal,
          what + " " + path + ": " + std::strerror(number)};  // NOLINT: glibc's is thread-safe
}

bool write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written <= 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

Status write_new_file(const std::string& path, std::string_view bytes, unsigned mode) {
  ::unlink(path.c_str());  // what a crash left behind
  File file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!file.is_open()) {
    return system_error("cannot create", path);
  }
  const bool is_written = ::fchmod(file.get(), mode) == 0 && write_all(file.get(), bytes) &&
                          ::fsync(file.get()) == 0 && file.close();
  if (!is_written) {
    auto error = system_error("cannot write", path);
    ::unlink(path.c_str());
    return error;
  }
  return ok();
}

}  // namespace

Status write_file_atomically(const std::string& path, std::string_view bytes, unsigned mode) {
  const std::string temporary = path + ".tmp";
  TRY_STATUS(write_new_file(temporary, bytes, mode));
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    auto error = system_error("cannot replace", path);
    ::unlink(temporary.c_str());
    return error;
  }
  const auto slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  File parent(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent.is_open() || ::fsync(parent.get()) != 0) {
    return system_error("cannot sync", directory);
  }
  return ok();
}

Result<std::optional<std::string>> read_file_if_present(const std::string& path) {
  File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) {
    if (errno == ENOENT) {
      return std::optional<std::string>();
    }
    return system_error("cannot open", path);
  }
  std::string bytes;
  char buffer[8192];
  while (true) {
    const auto count = ::read(file.get(), buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return system_error("cannot read", path);
    }
    if (count == 0) {
      return std::optional(std::move(bytes));
    }
    bytes.append(buffer, static_cast<std::size_t>(count));
    if (bytes.size() > kFileSizeMax) {
      return Error{Code::too_large, path + " is larger than 16 MiB"};
    }
  }
}

Result<std::string> read_file(const std::string& path) {
  TRY(auto bytes, read_file_if_present(path));
  if (!bytes) {
    return Error{Code::not_found, "there is no file " + path};
  }
  return std::move(*bytes);
}

}  // namespace tetrarch::trust
