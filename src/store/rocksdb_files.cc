// SPDX-License-Identifier: Apache-2.0
#include "store/rocksdb_files.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/table.h>

#include "store/synced_mark.h"

namespace tetrarch::store {
namespace {

namespace fs = std::filesystem;

bool is_part_of_store(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with("MANIFEST-") || name == kSyncedFile || path.extension() == ".sst" ||
         path.extension() == ".log";
}

Error open_elsewhere(const std::string& place, std::string_view why) {
  return {Code::unavailable,
          fmt::format(
              "the store in {} is open in another process; end that one first ({})", place, why)};
}

}  // namespace

rocksdb::Options rocksdb_options(std::size_t write_buffer_bytes) {
  rocksdb::BlockBasedTableOptions table;
  table.no_block_cache = true;  // nothing is read after the load
  table.block_size = std::size_t{32}
                     << 10;  // read in order only: large blocks, small indexes in memory
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;
  rocksdb::Options options;
  options.create_if_missing = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.write_buffer_size = write_buffer_bytes;
  options.max_write_buffer_number = 2;
  options.arena_block_size = std::size_t{256} << 10;
  options.max_total_wal_size = 4 * write_buffer_bytes;
  options.max_background_jobs = 2;
  options.max_open_files = 256;
  options.compression = rocksdb::kLZ4Compression;
  options.level_compaction_dynamic_level_bytes = true;
  options.target_file_size_base = std::size_t{16} << 20;
  options.max_bytes_for_level_base = std::size_t{64} << 20;
  // A torn tail of the log is what power loss leaves behind volatile writes; all before it is
  // taken. Whether something synced lies behind it is looked at before (log_scan.h).
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.track_and_verify_wals_in_manifest = true;
  options.paranoid_checks = true;
  options.allow_concurrent_memtable_write = false;  // one writer
  options.enable_write_thread_adaptive_yield = false;
  options.enable_pipelined_write = false;
  options.avoid_flush_during_shutdown = false;
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.keep_log_file_num = 2;
  options.max_log_file_size = std::size_t{1} << 20;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

Error explain_rocksdb(const std::string& place,
                      std::string_view doing,
                      const rocksdb::Status& status) {
  const std::string why = status.ToString();
  if (status.IsNoSpace()) {
    return {Code::unavailable, fmt::format("no space left for the store in {}: {}", place, why)};
  }
  if (status.IsIOError() && why.find("LOCK") != std::string::npos) {
    return open_elsewhere(place, why);
  }
  if (status.IsIOError() && !status.IsPathNotFound()) {
    return {Code::unavailable, fmt::format("the store in {} failed ({}): {}", place, doing, why)};
  }
  return {Code::internal, fmt::format("it is damaged ({}): {}", doing, why)};
}

Result<Presence> look_at(const std::string& directory) {
  std::error_code error;
  bool is_begun = false;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    if (at->path().filename() == "CURRENT") {
      return Presence::whole;
    }
    is_begun = is_begun || is_part_of_store(at->path());
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return Error{Code::unavailable, fmt::format("cannot read {}: {}", directory, error.message())};
  }
  return is_begun ? Presence::headless : Presence::absent;
}

Result<DirectoryLock> DirectoryLock::take(const std::string& directory) {
  rocksdb::FileLock* lock = nullptr;
  const auto taken = rocksdb::Env::Default()->LockFile(directory + "/LOCK", &lock);
  if (!taken.ok()) {
    return open_elsewhere(directory, taken.ToString());
  }
  return DirectoryLock(lock);
}

DirectoryLock::DirectoryLock(DirectoryLock&& other) noexcept
    : lock_(std::exchange(other.lock_, nullptr)) {}

void DirectoryLock::release() {
  if (auto* lock = std::exchange(lock_, nullptr)) {
    rocksdb::Env::Default()->UnlockFile(lock).PermitUncheckedError();
  }
}

}  // namespace tetrarch::store
