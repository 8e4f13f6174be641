// SPDX-License-Identifier: Apache-2.0
#include "store/journal_rocksdb.h"

#include <array>
#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>
#include <sys/stat.h>

#include "base/log.h"
#include "store/damage.h"
#include "store/log_scan.h"
#include "store/rocksdb_files.h"
#include "store/rocksdb_reader.h"
#include "store/synced_mark.h"

namespace tetrarch::store {
namespace {

void fill(rocksdb::WriteBatch& batch, const std::vector<Journal::Write>& writes) {
  // These fail only over a size limit, of which there is none.
  for (const Journal::Write& write : writes) {
    const rocksdb::Slice key(write.key);
    if (write.is_delete) {
      batch.Delete(key).PermitUncheckedError();
      continue;
    }
    const std::array<rocksdb::Slice, 2> value{rocksdb::Slice(write.head),
                                              rocksdb::Slice(write.body.data(), write.body.size())};
    batch.Put(rocksdb::SliceParts(&key, 1), rocksdb::SliceParts(value.data(), 2))
        .PermitUncheckedError();
  }
}

/// Opened to be read first (`reader_`), then to be written (`db_`).
class RocksdbJournal : public Journal {
 public:
  RocksdbJournal(RocksdbOptions options, DirectoryLock lock, std::unique_ptr<RocksdbReader> reader)
      : options_(std::move(options)), lock_(std::move(lock)), reader_(std::move(reader)) {}

  ~RocksdbJournal() override {
    if (db_) {
      db_->Close().PermitUncheckedError();
    }
  }

  RocksdbJournal(const RocksdbJournal&) = delete;
  RocksdbJournal& operator=(const RocksdbJournal&) = delete;

  Status load(const Visit& visit) override { return reader_ ? reader_->read(visit) : ok(); }

  Status begin() override {
    const std::uint64_t found = reader_ ? reader_->last_sequence() : 0;
    reader_.reset();
    lock_.release();  // RocksDB takes it itself
    rocksdb::DB* opened = nullptr;
    const auto status = rocksdb::DB::Open(
        rocksdb_options(options_.write_buffer_bytes), options_.directory, &opened);
    db_.reset(opened);
    if (!status.ok()) {
      return refusal(options_.directory,
                     explain_rocksdb(options_.directory, "while opening it to write", status));
    }
    const std::uint64_t now = db_->GetLatestSequenceNumber();
    if (now < found) {
      return damaged_store(
          options_.directory,
          fmt::format("it had {} changes when it was read and has {} now", found, now));
    }
    TRY(mark_, SyncedMark::make(options_.directory, now));
    return ok();
  }

  Status append(const std::vector<Write>& writes, bool is_durable) override {
    if (is_failed_) {
      return Error{Code::unavailable,
                   fmt::format("the store in {} has failed before", options_.directory)};
    }
    rocksdb::WriteBatch batch;
    if (is_durable) {
      batch.PutLogData(rocksdb::Slice(kSyncedNote.data(), kSyncedNote.size()))
          .PermitUncheckedError();
    }
    fill(batch, writes);
    rocksdb::WriteOptions options;
    options.sync = is_durable;
    const rocksdb::Status written = db_->Write(options, &batch);
    if (!written.ok()) {
      is_failed_ = true;
      return Error{
          Code::unavailable,
          fmt::format(
              "the store in {} cannot be written: {}", options_.directory, written.ToString())};
    }
    if (is_durable) {
      mark_synced();
    }
    return ok();
  }

  std::string place() const override { return options_.directory; }

 private:
  /// A mark that is behind is no error, only less of a witness.
  void mark_synced() {
    if (!mark_) {
      return;
    }
    if (const auto marked = mark_->set(db_->GetLatestSequenceNumber()); !marked.ok()) {
      log::warning("store", "{}; it is not written any more", marked.error().message);
      mark_.reset();
    }
  }

  const RocksdbOptions options_;
  DirectoryLock lock_;
  std::unique_ptr<RocksdbReader> reader_;
  std::unique_ptr<rocksdb::DB> db_;
  std::unique_ptr<SyncedMark> mark_;
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

/// Null where there is nothing to read yet.
Result<std::unique_ptr<RocksdbReader>> open_reader(const std::string& directory) {
  TRY(const auto presence, look_at(directory));
  if (presence == Presence::absent) {
    return std::unique_ptr<RocksdbReader>();
  }
  if (presence == Presence::headless) {
    return damaged_store(directory, "its file CURRENT is missing, which says what counts");
  }
  auto opened = RocksdbReader::open(directory);
  if (!opened.ok()) {
    return refusal(directory, opened.error());
  }
  auto reader = std::move(opened).value();
  TRY(const auto lost, reader->lost_from_log());
  if (!lost.empty()) {
    return damaged_store(directory, lost);
  }
  if (const auto mark = SyncedMark::read(directory); !mark.ok()) {
    log::warning("store", "{} in {}; it is made again", mark.error().message, directory);
  }
  return reader;
}

}  // namespace

Result<std::unique_ptr<Journal>> open_rocksdb_journal(RocksdbOptions options) {
  TRY_STATUS(make_directory(options.directory));
  TRY(auto lock, DirectoryLock::take(options.directory));
  TRY(auto reader, open_reader(options.directory));
  return std::unique_ptr<Journal>(
      std::make_unique<RocksdbJournal>(std::move(options), std::move(lock), std::move(reader)));
}

}  // namespace tetrarch::store
