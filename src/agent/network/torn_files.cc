// SPDX-License-Identifier: Apache-2.0
#include "agent/network/torn_files.h"

#include <charconv>

#include <sys/stat.h>

namespace tetrarch::agent::network {

std::time_t boot_time(std::string_view proc_stat) {
  // Source: proc(5), /proc/stat: "btime 1234567890", seconds since the epoch.
  constexpr std::string_view kField = "\nbtime ";
  const auto at = proc_stat.find(kField);
  std::time_t out = 0;
  if (at != std::string_view::npos) {
    const auto digits = proc_stat.substr(at + kField.size());
    std::from_chars(digits.data(), digits.data() + digits.size(), out);
  }
  return out;
}

std::size_t remove_torn_files(const std::filesystem::path& directory,
                              std::string_view prefix,
                              std::time_t boot) {
  std::size_t count = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    struct stat file = {};
    if (entry.path().filename().string().starts_with(prefix) &&
        ::lstat(entry.path().c_str(), &file) == 0 && S_ISREG(file.st_mode) && file.st_size == 0 &&
        file.st_mtime < boot) {
      count += std::filesystem::remove(entry.path(), error) ? 1 : 0;
    }
  }
  return count;
}

}  // namespace tetrarch::agent::network
