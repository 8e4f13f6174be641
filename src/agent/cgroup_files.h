// SPDX-License-Identifier: Apache-2.0
// Cgroups of pods, on hierarchies of version 1 (one per controller, also "hybrid") and 2. Blocking.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "agent/runtime/runtime.h"
#include "base/result.h"

namespace tetrarch::agent {

class CgroupFiles {
 public:
  explicit CgroupFiles(std::filesystem::path mount = "/sys/fs/cgroup");

  bool is_v2() const { return is_v2_; }

  /// Makes the group in every hierarchy that matters and sets its limits. Idempotent.
  Status make(std::string_view path, const runtime::Resources& resources) const;
  /// Removes the group with all below it; what still has processes stays (an error says so).
  Status remove(std::string_view path) const;
  /// How many processes and threads are in the group and below; 0 where that is not counted.
  std::int64_t processes(std::string_view path) const;
  /// SIGKILL to all processes below the group, until none is left or `tries` of 50 ms have passed.
  void kill_all(std::string_view path, int tries) const;

 private:
  std::filesystem::path mount_;
  bool is_v2_;
};

}  // namespace tetrarch::agent
