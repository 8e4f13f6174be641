// SPDX-License-Identifier: Apache-2.0
// The default journal: RocksDB in a directory of its own (0700). It is read once, at load, without
// a change to any file; from begin() on it only takes batches. Tuned for little memory: see
// docs/adr/0010-rocksdb-journal.md.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "store/journal.h"

namespace tetrarch::store {

struct RocksdbOptions {
  std::string directory;  ///< made where missing; its parent must exist
  std::size_t write_buffer_bytes = std::size_t{4} << 20;  ///< then the log is turned into a table
};

/// Refuses a directory that another process has open, that is damaged, or from whose log something
/// is missing that was synced.
Result<std::unique_ptr<Journal>> open_rocksdb_journal(RocksdbOptions options);

}  // namespace tetrarch::store
