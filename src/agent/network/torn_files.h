// SPDX-License-Identifier: Apache-2.0
// What a power cut leaves of the CNI plugins' files. They are written without a flush, so those of
// the last seconds are there and empty: an empty result makes every later removal of that pod's
// network fail, an empty lease is an address that nobody gives back. Blocking.
#pragma once

#include <cstddef>
#include <ctime>
#include <filesystem>
#include <string_view>

namespace tetrarch::agent::network {

/// When the kernel started, of the text of /proc/stat; 0: not said.
std::time_t boot_time(std::string_view proc_stat);

/// Removes empty files whose names begin with `prefix` and that are older than `boot`: a younger
/// one may be under way. Returns how many.
std::size_t remove_torn_files(const std::filesystem::path& directory,
                              std::string_view prefix,
                              std::time_t boot);

}  // namespace tetrarch::agent::network
