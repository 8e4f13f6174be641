// SPDX-License-Identifier: Apache-2.0
#include "store/log_scan.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fmt/format.h>
#include <rocksdb/write_batch.h>

#include "store/bytes.h"
#include "store/log_file.h"

namespace tetrarch::store {
namespace {

namespace fs = std::filesystem;

// Source: RocksDB, db/write_batch.cc: sequence of the first change, number of changes, the changes.
constexpr std::size_t kCountAt = 8;
constexpr std::size_t kBatchHead = 12;

/// What one batch changes.
class Reading : public rocksdb::WriteBatch::Handler {
 public:
  explicit Reading(std::set<std::string>* keys) : keys_(keys) {}

  rocksdb::Status PutCF(std::uint32_t, const rocksdb::Slice& key, const rocksdb::Slice&) override {
    return note(key);
  }

  rocksdb::Status DeleteCF(std::uint32_t, const rocksdb::Slice& key) override { return note(key); }

  void LogData(const rocksdb::Slice& blob) override {
    is_synced_ = is_synced_ || blob.ToStringView() == kSyncedNote;
  }

  /// The note comes first.
  bool Continue() override { return keys_ != nullptr || !is_synced_; }

  bool is_synced() const { return is_synced_; }

 private:
  rocksdb::Status note(const rocksdb::Slice& key) {
    if (keys_ != nullptr) {
      keys_->insert(key.ToString());
    }
    return rocksdb::Status::OK();
  }

  std::set<std::string>* const keys_;
  bool is_synced_ = false;
};

Result<std::vector<fs::path>> logs_of(const std::string& directory) {
  std::vector<fs::path> logs;
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    if (at->path().extension() == ".log") {
      logs.push_back(at->path());
    }
  }
  if (error) {
    return Error{Code::unavailable, fmt::format("cannot read {}: {}", directory, error.message())};
  }
  std::ranges::sort(logs);  // their numbers have leading zeros
  return logs;
}

void scan_file(const fs::path& path, LogScan& scan) {
  std::ifstream in(path, std::ios::binary);
  LogFile file(std::string(std::istreambuf_iterator<char>(in), {}));
  const bool was_damaged = !scan.damaged.empty();
  while (const auto record = file.next()) {
    if (record->size() < kBatchHead) {
      continue;
    }
    const std::uint64_t first = get_little(*record, 0, 8);
    const std::uint64_t count = get_little(*record, kCountAt, 4);
    const bool is_after = was_damaged || file.damaged_at();
    Reading reading(is_after ? &scan.changed_after : nullptr);
    rocksdb::WriteBatch(*record)
        .Iterate(&reading)
        .PermitUncheckedError();  // its checksum was right
    if (reading.is_synced() && count > 0) {
      scan.last_synced = std::max(scan.last_synced, first + count - 1);
    }
  }
  if (file.damaged_at()) {
    scan.damaged.push_back(
        fmt::format("{} from byte {} on", path.filename().string(), *file.damaged_at()));
  }
}

}  // namespace

Result<LogScan> scan_logs(const std::string& directory) {
  TRY(const auto logs, logs_of(directory));
  LogScan scan;
  for (const auto& log : logs) {
    scan_file(log, scan);
  }
  return scan;
}

}  // namespace tetrarch::store
