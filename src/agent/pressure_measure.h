// SPDX-License-Identifier: Apache-2.0
// What the machine has left and what pods take of it, as the kernel tells. Blocking; used on the
// pool.
#pragma once

#include <filesystem>
#include <string>

#include "agent/pressure.h"

namespace tetrarch::agent {

/// Where to look.
struct Measured {
  std::filesystem::path nodefs;   ///< volumes and logs
  std::filesystem::path imagefs;  ///< images, and what containers write into their roots
  std::filesystem::path proc = "/proc";

  Observations observe() const;
  /// Images have a file system of their own.
  bool has_image_disk() const;
};

/// All below a folder, itself included, but for what is mounted there. 0 where it is not there.
DiskUsage disk_usage_of(const std::filesystem::path& folder);

}  // namespace tetrarch::agent
