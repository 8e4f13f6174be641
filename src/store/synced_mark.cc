// SPDX-License-Identifier: Apache-2.0
#include "store/synced_mark.h"

#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <string_view>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

#include "store/bytes.h"

namespace tetrarch::store {
namespace {

std::string path_of(const std::string& directory) {
  return directory + "/" + kSyncedFile;
}

/// "synced <20 digits> <digest>\n": always as long, so that it is overwritten in place.
std::string text_of(std::uint64_t sequence) {
  const auto number = fmt::format("synced {:020}", sequence);
  return fmt::format("{} {:016x}\n", number, digest(number, 0));
}

Error failed(std::string_view doing) {
  return {Code::unavailable,
          fmt::format("cannot {} the store's file {}: {}",
                      doing,
                      kSyncedFile,
                      std::error_code(errno, std::generic_category()).message())};
}

}  // namespace

Result<std::optional<std::uint64_t>> SyncedMark::read(const std::string& directory) {
  std::ifstream in(path_of(directory), std::ios::binary);
  if (!in) {
    return std::optional<std::uint64_t>{};
  }
  const std::string text(std::istreambuf_iterator<char>(in), {});
  constexpr std::size_t kNumberAt = 7;
  constexpr std::size_t kNumberSize = 20;
  std::uint64_t sequence = 0;
  if (text.size() > kNumberAt + kNumberSize) {
    const char* const begin = text.data() + kNumberAt;
    std::from_chars(begin, begin + kNumberSize, sequence);
  }
  if (text != text_of(sequence)) {
    return Error{Code::internal, fmt::format("its file {} is damaged", kSyncedFile)};
  }
  return std::optional<std::uint64_t>{sequence};
}

Result<std::unique_ptr<SyncedMark>> SyncedMark::make(const std::string& directory,
                                                     std::uint64_t sequence) {
  const int fd = ::open(path_of(directory).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return failed("open");
  }
  auto mark = std::make_unique<SyncedMark>(fd);
  TRY_STATUS(mark->set(sequence));
  if (::ftruncate(fd, static_cast<off_t>(text_of(sequence).size())) != 0 || ::fsync(fd) != 0) {
    return failed("sync");
  }
  return mark;
}

SyncedMark::~SyncedMark() {
  ::close(fd_);
}

Status SyncedMark::set(std::uint64_t sequence) {
  const std::string text = text_of(sequence);
  if (::pwrite(fd_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    return failed("write");
  }
  return ok();
}

}  // namespace tetrarch::store
