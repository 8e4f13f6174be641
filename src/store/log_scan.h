// SPDX-License-Identifier: Apache-2.0
// What the write-ahead logs of a store have, looked at before RocksDB opens them: it takes the
// first damaged record for the end and throws away what follows. Each batch that was synced says so
// in the log, so damage before such a batch is told from the torn end that a power loss leaves
// behind.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tetrarch::store {

/// Lies in the log, not in the tables, with each batch that is synced before it is acknowledged.
inline constexpr std::string_view kSyncedNote = "synced";

struct LogScan {
  std::uint64_t last_synced =
      0;  ///< sequence of the last change of a synced batch, wherever it lies
  /// "000012.log from byte 4711 on", for each log with something that is no record.
  std::vector<std::string> damaged = {};
  /// Keys that are changed behind the first damage: what is there of them is not the newest.
  std::set<std::string> changed_after = {};
};

Result<LogScan> scan_logs(const std::string& directory);

}  // namespace tetrarch::store
