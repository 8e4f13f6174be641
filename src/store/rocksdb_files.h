// SPDX-License-Identifier: Apache-2.0
// What the journal and the check share about a directory of RocksDB: its settings, its lock, and
// what its errors mean to the operator. Inside this room only.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <rocksdb/options.h>
#include <rocksdb/status.h>

#include "base/result.h"

namespace rocksdb {
class FileLock;
}

namespace tetrarch::store {

rocksdb::Options rocksdb_options(std::size_t write_buffer_bytes);

/// `doing` as in "while reading". Code::internal: it is damaged.
Error explain_rocksdb(const std::string& place,
                      std::string_view doing,
                      const rocksdb::Status& status);

/// Whether something of a store is there. CURRENT says which files count: without it RocksDB would
/// begin an empty store beside them.
enum class Presence { absent, whole, headless };
Result<Presence> look_at(const std::string& directory);

/// The lock that every process takes that opens the store to write.
class DirectoryLock {
 public:
  /// Code::unavailable where another has it.
  static Result<DirectoryLock> take(const std::string& directory);
  DirectoryLock(DirectoryLock&& other) noexcept;
  DirectoryLock& operator=(DirectoryLock&&) = delete;

  ~DirectoryLock() { release(); }

  void release();

 private:
  explicit DirectoryLock(rocksdb::FileLock* lock) : lock_(lock) {}

  rocksdb::FileLock* lock_;
};

}  // namespace tetrarch::store
