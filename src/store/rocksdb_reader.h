// SPDX-License-Identifier: Apache-2.0
// RocksdbReader: a store's directory, opened to be read and not changed in any way. The load and
// the check read through it; only what was found whole is opened to be written.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/journal.h"

namespace rocksdb {
class DB;
class Iterator;
}  // namespace rocksdb

namespace tetrarch::store {

/// Keys between which nothing can be read.
struct Gap {
  std::string after;   ///< the last that can; empty: the beginning
  std::string before;  ///< the next that can; empty: the end
  std::string why;
};

class RocksdbReader {
 public:
  /// Whoever calls holds the directory's lock. Code::internal: it is damaged.
  static Result<std::unique_ptr<RocksdbReader>> open(const std::string& directory);
  RocksdbReader(std::string directory, std::unique_ptr<rocksdb::DB> db);
  ~RocksdbReader();
  RocksdbReader(const RocksdbReader&) = delete;
  RocksdbReader& operator=(const RocksdbReader&) = delete;

  /// Every pair in order; where one cannot be read, a refusal for the operator.
  Status read(const Journal::Visit& visit) const;
  /// Every pair that can be read, and the gaps between them.
  Result<std::vector<Gap>> read_what_is_left(const Journal::Visit& visit) const;
  /// One sentence for each table file whose checksums are not right.
  std::vector<std::string> damaged_tables() const;
  /// Of the last change that RocksDB would go on from.
  std::uint64_t last_sequence() const;
  /// Whether changes are lost that had been synced, though everything that is there can be read: in
  /// words; empty where not.
  Result<std::string> lost_from_log() const;

 private:
  /// At the first pair behind `last` that can be read, as far as it is found; null: there is none.
  std::unique_ptr<rocksdb::Iterator> next_readable(const std::string& last) const;

  const std::string directory_;
  const std::unique_ptr<rocksdb::DB> db_;
};

/// "pods default/web", "the count of pods": a key of the journal in words.
std::string describe_pair(std::string_view key);

}  // namespace tetrarch::store
