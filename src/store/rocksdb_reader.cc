// SPDX-License-Identifier: Apache-2.0
#include "store/rocksdb_reader.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/sst_file_reader.h>

#include "store/damage.h"
#include "store/log_scan.h"
#include "store/record.h"
#include "store/rocksdb_files.h"
#include "store/sums.h"
#include "store/synced_mark.h"

namespace tetrarch::store {
namespace {

constexpr std::size_t kReadBuffer = std::size_t{4} << 20;  // nothing is written into it
constexpr std::size_t kNamed = 10;                         // objects in one message

/// Reading leaves no LOG in the directory.
class Silence : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;

  void Logv(const char*, va_list) override {}
};

rocksdb::Options read_options() {
  auto options = rocksdb_options(kReadBuffer);
  options.create_if_missing = false;
  options.info_log = std::make_shared<Silence>();  // shared with RocksDB
  return options;
}

rocksdb::ReadOptions in_order() {
  rocksdb::ReadOptions read;
  read.verify_checksums = true;
  read.readahead_size = std::size_t{1} << 20;
  read.fill_cache = false;
  return read;
}

/// Visits from where the iterator is to the first pair that cannot be read; `last` is the key of
/// the last that could.
Status visit_some(rocksdb::Iterator& at, const Journal::Visit& visit, std::string& last) {
  for (; at.Valid(); at.Next()) {
    TRY_STATUS(visit(at.key().ToStringView(), at.value().ToStringView()));
    last.assign(at.key().data(), at.key().size());
  }
  return ok();
}

/// Where to try again behind `last`: longer and longer steps, since the first readable key is not
/// known.
std::vector<std::string> steps_behind(const std::string& last) {
  std::vector<std::string> steps;
  for (std::size_t size = last.size(); size > 0; --size) {
    if (static_cast<unsigned char>(last[size - 1]) != 0xff) {
      steps.push_back(last.substr(0, size));
      ++steps.back().back();
    }
  }
  if (last.empty()) {
    steps = {std::string(kLastKey), std::string(kReservedKey), std::string(kSumPrefix)};
    for (char first = 'a'; first <= 'z'; ++first) {
      steps.push_back(std::string(kObjectPrefix) + first);
    }
  }
  return steps;
}

std::string name_some(const std::set<std::string>& keys) {
  std::vector<std::string> names;
  std::size_t more = 0;
  for (const auto& key : keys) {
    const auto parsed = parse_key(key);
    if (parsed && names.size() < kNamed) {
      names.push_back(describe(*parsed));
    } else {
      more += parsed ? 1 : 0;
    }
  }
  const auto rest = more == 0 ? "" : fmt::format(" and {} more", more);
  return names.empty() ? "" : fmt::format("{}{}", fmt::join(names, ", "), rest);
}

}  // namespace

Result<std::unique_ptr<RocksdbReader>> RocksdbReader::open(const std::string& directory) {
  rocksdb::DB* opened = nullptr;
  const auto status = rocksdb::DB::OpenForReadOnly(read_options(), directory, &opened);
  std::unique_ptr<rocksdb::DB> db(opened);
  if (!status.ok()) {
    return explain_rocksdb(directory, "while opening it", status);
  }
  return std::make_unique<RocksdbReader>(directory, std::move(db));
}

RocksdbReader::RocksdbReader(std::string directory, std::unique_ptr<rocksdb::DB> db)
    : directory_(std::move(directory)), db_(std::move(db)) {}

RocksdbReader::~RocksdbReader() {
  db_->Close().PermitUncheckedError();
}

Status RocksdbReader::read(const Journal::Visit& visit) const {
  const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(in_order()));
  std::string last;
  at->SeekToFirst();
  TRY_STATUS(visit_some(*at, visit, last));
  if (!at->status().ok()) {
    const auto where = last.empty() ? std::string("the first key") : describe_pair(last);
    const auto doing = fmt::format("while reading what follows {}", where);
    return refusal(directory_, explain_rocksdb(directory_, doing, at->status()));
  }
  return ok();
}

Result<std::vector<Gap>> RocksdbReader::read_what_is_left(const Journal::Visit& visit) const {
  std::vector<Gap> gaps;
  std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(in_order()));
  std::string last;
  at->SeekToFirst();
  while (true) {
    TRY_STATUS(visit_some(*at, visit, last));
    if (at->status().ok()) {
      return gaps;
    }
    gaps.push_back({.after = last, .before = {}, .why = at->status().ToString()});
    at = next_readable(last);
    if (!at) {
      return gaps;
    }
    gaps.back().before = at->key().ToString();
  }
}

std::unique_ptr<rocksdb::Iterator> RocksdbReader::next_readable(const std::string& last) const {
  std::unique_ptr<rocksdb::Iterator> at;
  for (const auto& step : steps_behind(last)) {
    at.reset(db_->NewIterator(in_order()));
    at->Seek(step);
    if (at->Valid() || at->status().ok()) {
      break;
    }
  }
  if (!at->Valid()) {
    at.reset(db_->NewIterator(in_order()));
    at->SeekToLast();
  }
  std::string first;  // of what can be read without a gap up to where the step led
  for (; at->Valid() && at->key().compare(last) > 0; at->Prev()) {
    first = at->key().ToString();
  }
  if (first.empty()) {
    return nullptr;
  }
  at.reset(db_->NewIterator(in_order()));
  at->Seek(first);
  return at->Valid() ? std::move(at) : nullptr;
}

std::vector<std::string> RocksdbReader::damaged_tables() const {
  std::vector<rocksdb::LiveFileMetaData> files;
  db_->GetLiveFilesMetaData(&files);
  std::vector<std::string> out;
  for (const auto& file : files) {
    rocksdb::SstFileReader reader(read_options());
    auto status = reader.Open(directory_ + file.name);
    if (status.ok()) {
      status = reader.VerifyChecksum();
    }
    if (!status.ok()) {
      out.push_back(fmt::format("the file {} is damaged, which holds what lies from {} to {} ({})",
                                file.name.substr(1),
                                describe_pair(file.smallestkey),
                                describe_pair(file.largestkey),
                                status.ToString()));
    }
  }
  return out;
}

std::uint64_t RocksdbReader::last_sequence() const {
  return db_->GetLatestSequenceNumber();
}

Result<std::string> RocksdbReader::lost_from_log() const {
  TRY(const LogScan scan, scan_logs(directory_));
  const auto mark = SyncedMark::read(directory_);  // damaged: nothing is lost by that
  const auto marked = mark.ok() ? mark->value_or(0) : 0;
  const auto synced = std::max(scan.last_synced, marked);
  const auto last = last_sequence();
  if (last >= synced) {
    return std::string();
  }
  const auto logs = scan.damaged.empty()
                        ? std::string("a part of its log is missing")
                        : fmt::format("{} cannot be read", fmt::join(scan.damaged, ", "));
  auto text = fmt::format(
      "changes that had been acknowledged are lost: {}, so that it ends at change {} of {}",
      logs,
      last,
      synced);
  if (const auto names = name_some(scan.changed_after); !names.empty()) {
    text += fmt::format("; behind it lie changes of {}", names);
  }
  return text;
}

std::string describe_pair(std::string_view key) {
  if (const auto object = parse_key(key)) {
    return describe(*object);
  }
  if (key.starts_with(kSumPrefix)) {
    return fmt::format("the count of {}", resource_of_sum(key));
  }
  std::string shown(key.substr(key.starts_with("m/") ? 2 : 0));
  std::ranges::replace(shown, '\0', ' ');
  return fmt::format("its number {}", shown);
}

}  // namespace tetrarch::store
