// SPDX-License-Identifier: Apache-2.0
// SyncedMark: a small file beside the journal that says up to which change it was synced, rewritten
// after every sync and before the acknowledgment. Not synced itself, so it costs a microsecond:
// after a kill, damage or a cut it is exact, after a power loss it may be behind, never ahead.
// Whoever finds less in the journal than it says knows that acknowledged changes are lost, even the
// very last one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"

namespace tetrarch::store {

class SyncedMark {
 public:
  /// What it says in this directory; none where it is not there. Code::internal: it is damaged.
  static Result<std::optional<std::uint64_t>> read(const std::string& directory);
  /// Makes or replaces it, durably.
  static Result<std::unique_ptr<SyncedMark>> make(const std::string& directory,
                                                  std::uint64_t sequence);

  explicit SyncedMark(int fd) : fd_(fd) {}

  ~SyncedMark();
  SyncedMark(const SyncedMark&) = delete;
  SyncedMark& operator=(const SyncedMark&) = delete;

  Status set(std::uint64_t sequence);

 private:
  const int fd_;
};

/// Name of the file.
inline constexpr const char* kSyncedFile = "SYNCED";

}  // namespace tetrarch::store
