// SPDX-License-Identifier: Apache-2.0
#include "store/journal_rocksdb.h"

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>
#include <sys/stat.h>

namespace tetrarch::store {
namespace {

rocksdb::Options tuned(const RocksdbOptions& ours) {
  rocksdb::BlockBasedTableOptions table;
  table.no_block_cache = true;  // nothing is read after the load
  table.block_size = std::size_t{32}
                     << 10;  // read in order only: large blocks, small indexes in memory
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;
  rocksdb::Options options;
  options.create_if_missing = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.write_buffer_size = ours.write_buffer_bytes;
  options.max_write_buffer_number = 2;
  options.arena_block_size = std::size_t{256} << 10;
  options.max_total_wal_size = 4 * ours.write_buffer_bytes;
  options.max_background_jobs = 2;
  options.max_open_files = 256;
  options.compression = rocksdb::kLZ4Compression;
  options.level_compaction_dynamic_level_bytes = true;
  options.target_file_size_base = std::size_t{16} << 20;
  options.max_bytes_for_level_base = std::size_t{64} << 20;
  // A torn tail of the log is what power loss leaves behind volatile writes; all before it is
  // taken. Everything that was synced lies before it, since one thread writes in order.
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

Error explained(const std::string& place, std::string_view doing, const rocksdb::Status& status) {
  const std::string why = status.ToString();
  if (status.IsIOError() && why.find("LOCK") != std::string::npos) {
    return {Code::unavailable,
            fmt::format(
                "the store in {} is open in another process; end that one first ({})", place, why)};
  }
  if (status.IsCorruption()) {
    return {Code::internal,
            fmt::format("the store in {} is damaged ({}): {}; restore the directory from a copy",
                        place,
                        doing,
                        why)};
  }
  if (status.IsNoSpace()) {
    return {Code::unavailable, fmt::format("no space left for the store in {}: {}", place, why)};
  }
  return {Code::unavailable, fmt::format("the store in {} failed ({}): {}", place, doing, why)};
}

class RocksdbJournal : public Journal {
 public:
  RocksdbJournal(std::unique_ptr<rocksdb::DB> db, std::string directory)
      : db_(std::move(db)), directory_(std::move(directory)) {}

  ~RocksdbJournal() override { db_->Close().PermitUncheckedError(); }

  RocksdbJournal(const RocksdbJournal&) = delete;
  RocksdbJournal& operator=(const RocksdbJournal&) = delete;

  Status load(const Visit& visit) override {
    rocksdb::ReadOptions read;
    read.verify_checksums = true;
    read.readahead_size = std::size_t{1} << 20;
    read.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(read));
    std::string last = "the first key";
    for (at->SeekToFirst(); at->Valid(); at->Next()) {
      TRY_STATUS(visit(at->key().ToStringView(), at->value().ToStringView()));
      last.assign(at->key().data(), at->key().size());
    }
    if (!at->status().ok()) {
      for (char& c : last) {
        c = c == '\0' ? ' ' : c;
      }
      return explained(directory_, fmt::format("reading what follows {}", last), at->status());
    }
    return ok();
  }

  Status append(const std::vector<Write>& writes, bool is_durable) override {
    if (is_failed_) {
      return Error{Code::unavailable, fmt::format("the store in {} has failed before", directory_)};
    }
    rocksdb::WriteBatch batch;
    for (const Write& write : writes) {
      const rocksdb::Slice key(write.key);
      if (write.is_delete) {
        batch.Delete(key)
            .PermitUncheckedError();  // fails only over a size limit, of which there is none
        continue;
      }
      const std::array<rocksdb::Slice, 2> value{
          rocksdb::Slice(write.head), rocksdb::Slice(write.body.data(), write.body.size())};
      batch.Put(rocksdb::SliceParts(&key, 1), rocksdb::SliceParts(value.data(), 2))
          .PermitUncheckedError();
    }
    rocksdb::WriteOptions options;
    options.sync = is_durable;
    const rocksdb::Status written = db_->Write(options, &batch);
    if (!written.ok()) {
      is_failed_ = true;
      return explained(directory_, "writing", written);
    }
    return ok();
  }

  std::string place() const override { return directory_; }

 private:
  const std::unique_ptr<rocksdb::DB> db_;
  const std::string directory_;
  bool is_failed_ =
      false;  // RocksDB may recover by itself from a full disk; we cannot know what is missing
};

/// Made by us with 0700 from the start: the objects are not all encrypted.
Status make_directory(const std::string& directory) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return Error{Code::unavailable,
                 fmt::format("cannot make the directory {}: {}",
                             directory,
                             std::error_code(errno, std::generic_category()).message())};
  }
  return ok();
}

}  // namespace

Result<std::unique_ptr<Journal>> open_rocksdb_journal(RocksdbOptions options) {
  TRY_STATUS(make_directory(options.directory));
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(tuned(options), options.directory, &opened);
  std::unique_ptr<rocksdb::DB> db(opened);
  if (!status.ok()) {
    return explained(options.directory, "opening", status);
  }
  return std::unique_ptr<Journal>(
      std::make_unique<RocksdbJournal>(std::move(db), std::move(options.directory)));
}

}  // namespace tetrarch::store
