// SPDX-License-Identifier: Apache-2.0
// Between a store and a backup: the pairs of a snapshot, and those that a restore writes.
#include <algorithm>
#include <utility>

#include "store/backup.h"
#include "store/record.h"
#include "store/root.h"

namespace tetrarch::store {
namespace {

constexpr std::size_t kPiece = std::size_t{256} << 10;
constexpr std::size_t kRestoreBatch = std::size_t{1} << 20;

/// Ours: far more than one store can write (docs/performance.md), so that a clock that is wrong by
/// hours does no harm.
constexpr std::uint64_t kRevisionsPerSecond = 100'000;

void put(std::string& out, BackupEncoder& encoder, const Journal::Write& write) {
  if (write.body.empty()) {
    encoder.pair(out, write.key, write.head);
    return;
  }
  std::string value = write.head;
  value += write.body;
  encoder.pair(out, write.key, value);
}

}  // namespace

BackupSource::BackupSource(Snapshot snapshot, Sealing sealing, TimePoint now)
    : snapshot_(std::move(snapshot)), sealing_(std::move(sealing)), now_(now) {}

Result<std::string> BackupSource::next() {
  std::string out;
  if (step_ == Step::numbers) {
    out = encoder_.head({.revision = snapshot_.revision(), .taken_at = now_});
    put_numbers(out);
    step_ = Step::objects;
    return out;
  }
  if (step_ == Step::objects) {
    TRY_STATUS(put_objects(out));
  }
  return out;
}

/// In the order of the journal's keys, as everything.
void BackupSource::put_numbers(std::string& out) {
  const std::uint64_t revision = snapshot_.revision().number;
  put(out, encoder_, encode_number(kFormatKey, kFormat));
  put(out, encoder_, encode_number(kLastKey, revision));
  put(out, encoder_, encode_number(kReservedKey, revision));
  for (const Table& table : snapshot_.root().tables) {
    put(out, encoder_, encode_sum(*table.resource, table.sum()));
  }
}

Status BackupSource::put_objects(std::string& out) {
  const auto& tables = snapshot_.root().tables;
  Status outcome = ok();
  while (table_ < tables.size() && out.size() < kPiece) {
    const Table& table = tables[table_];
    bool is_whole = true;
    Place last{after_ns_, after_name_};
    table.tree.scan(last, [&](const Entry& entry) {
      is_whole = out.size() < kPiece;
      if (!is_whole) {
        return false;
      }
      const Key key{*table.resource, std::string(entry.ns()), std::string(entry.name())};
      auto write = encode_object(key, entry.tag(), entry.revision(), *entry.document(), sealing_);
      if (!write.ok()) {
        outcome = write.error();
        return false;
      }
      put(out, encoder_, *write);
      last = entry.place();  // the snapshot keeps its text
      return true;
    });
    TRY_STATUS(outcome);
    after_ns_ = std::string(is_whole ? std::string_view() : last.ns);
    after_name_ = std::string(is_whole ? std::string_view() : last.name);
    table_ += is_whole ? 1 : 0;
  }
  if (table_ == tables.size()) {
    out += encoder_.end();
    step_ = Step::ended;
  }
  return ok();
}

std::uint64_t revision_after_restore(const BackupHead& head, TimePoint now) {
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(now - head.taken_at).count();
  const auto written =
      kRevisionsPerSecond * static_cast<std::uint64_t>(std::max<std::int64_t>(seconds, 0));
  return head.revision.number + std::max(written, kRevisionGap);
}

Status RestoreWriter::put(std::string_view key, std::string_view value) {
  if (key == kReservedKey) {
    return ok();  // see finish
  }
  writes_.push_back({.key = std::string(key), .head = std::string(value), .body = {}});
  bytes_ += key.size() + value.size();
  return bytes_ < kRestoreBatch ? ok() : write(false);
}

Status RestoreWriter::finish() {
  writes_.push_back(encode_number(kReservedKey, revision_));
  return write(true);
}

Status RestoreWriter::write(bool is_durable) {
  TRY_STATUS(journal_.append(writes_, is_durable));
  writes_.clear();
  bytes_ = 0;
  return ok();
}

}  // namespace tetrarch::store
