// SPDX-License-Identifier: Apache-2.0
#include "store/check.h"

#include <utility>

#include <fmt/format.h>

#include "object/document.h"
#include "store/damage.h"
#include "store/record.h"
#include "store/rocksdb_files.h"
#include "store/rocksdb_reader.h"
#include "store/synced_mark.h"

namespace tetrarch::store {
namespace {

std::string describe_gap(const Gap& gap) {
  const auto from = gap.after.empty() ? std::string("the beginning")
                                      : fmt::format("what follows {}", describe_pair(gap.after));
  const auto to = gap.before.empty() ? std::string("the end") : describe_pair(gap.before);
  return fmt::format("from {} to {} nothing can be read ({})", from, to, gap.why);
}

/// What the document itself says of its place.
std::string contradiction(const Record& record) {
  const auto document = Document::parse(record.bytes);
  if (!document.ok()) {
    return document.error().message;
  }
  const auto metadata = (*document)->root()["metadata"];
  const auto name = metadata["name"].string(record.key.name);
  const auto ns = metadata["namespace"].string(record.key.ns);
  return name == record.key.name && ns == record.key.ns
             ? ""
             : fmt::format("it says that it is {}/{}", ns, name);
}

/// What can only be seen of the files; and shows every pair that is left to the checker.
Result<std::vector<std::string>> check_files(const RocksdbReader& reader,
                                             const std::string& directory,
                                             PairChecker& checker) {
  std::vector<std::string> damage;
  TRY(auto lost, reader.lost_from_log());
  if (!lost.empty()) {
    damage.push_back(std::move(lost));
  }
  if (const auto mark = SyncedMark::read(directory); !mark.ok()) {
    damage.push_back(
        mark.error().message +
        ": nothing is lost by that, but whether the newest changes are there is not known");
  }
  for (auto& table : reader.damaged_tables()) {
    damage.push_back(std::move(table));
  }
  TRY(const auto gaps, reader.read_what_is_left([&](std::string_view key, std::string_view value) {
    checker.see(key, value);
    return ok();
  }));
  for (const Gap& gap : gaps) {
    damage.push_back(describe_gap(gap));
  }
  return damage;
}

}  // namespace

void PairChecker::see(std::string_view key, std::string_view value) {
  if (key.starts_with(kObjectPrefix)) {
    see_object(key, value);
  } else {
    see_own(key, value);
  }
}

void PairChecker::see_own(std::string_view key, std::string_view value) {
  if (key.starts_with(kSumPrefix)) {
    const auto sum = decode_sum(key, value);
    if (sum.ok()) {
      sums_[std::string(resource_of_sum(key))] = *sum;
    } else {
      report_.damage.push_back(sum.error().message);
    }
    return;
  }
  const auto number = decode_number(key, value);
  if (!number.ok()) {
    report_.damage.push_back(number.error().message);
    return;
  }
  numbers_.emplace(key);
  if (key == kFormatKey) {
    report_.format = *number;
  } else if (key == kLastKey) {
    report_.last = *number;
  } else if (key == kReservedKey) {
    report_.reserved = *number;
  }
}

void PairChecker::see_object(std::string_view key, std::string_view value) {
  const auto record = decode_object(key, value, sealing_);
  if (!record.ok()) {
    report_.damage.push_back(record.error().message);
    return;
  }
  const auto name = describe(record->key);
  if (const auto wrong = contradiction(*record); !wrong.empty()) {
    report_.damage.push_back(fmt::format("{} is not what it should be: {}", name, wrong));
  }
  Sum& sum = report_.found[record->key.resource];
  ++sum.objects;
  sum.marks +=
      mark_of(record->key.resource, Place{record->key.ns, record->key.name}, record->revision);
  if (!revisions_.insert(record->revision.number).second) {
    report_.damage.push_back(fmt::format(
        "{} has revision {}, which another object has too", name, record->revision.number));
  }
  if (record->revision.number > report_.last) {  // "m/" sorts before "o/"
    newest_.emplace(record->revision.number, name);
  }
}

CheckReport PairChecker::finish() {
  check_numbers();
  if (report_.format >= 2) {
    for (auto& difference : compare_sums(sums_, report_.found)) {
      report_.damage.push_back(std::move(difference));
    }
  }
  return std::move(report_);
}

void PairChecker::check_numbers() {
  auto& damage = report_.damage;
  for (const auto key : {kFormatKey, kLastKey, kReservedKey}) {
    const bool is_empty_store = key != kFormatKey && report_.found.empty();
    if (!numbers_.contains(key) && !is_empty_store) {
      damage.push_back(fmt::format("its number {} is missing", key));
    }
  }
  if (report_.format > kFormat) {
    damage.push_back(newer_format(report_.format));
  }
  if (report_.last > report_.reserved) {
    damage.push_back(fmt::format(
        "its last change ({}) is beyond what it reserved ({})", report_.last, report_.reserved));
  }
  if (!newest_.empty()) {
    const auto& [revision, name] = *newest_.rbegin();
    damage.push_back(
        fmt::format("{} objects, among them {} ({}), are newer than the last change ({})",
                    newest_.size(),
                    name,
                    revision,
                    report_.last));
  }
}

Result<CheckReport> check_store(const std::string& directory, const Sealing& sealing) {
  TRY(const auto presence, look_at(directory));
  if (presence == Presence::absent) {
    return Error{Code::not_found, fmt::format("there is no store in {}", directory)};
  }
  CheckReport report;
  if (presence == Presence::headless) {
    report.damage.emplace_back("its file CURRENT is missing, which says what counts");
    return report;
  }
  TRY(const auto lock, DirectoryLock::take(directory));
  const auto reader = RocksdbReader::open(directory);
  if (!reader.ok() && reader.error().code != Code::internal) {
    return reader.error();
  }
  if (!reader.ok()) {
    report.damage.push_back(fmt::format("nothing of it can be read: {}", reader.error().message));
    return report;
  }
  PairChecker checker(sealing);
  TRY(const auto damage, check_files(**reader, directory, checker));
  report = checker.finish();
  report.damage.insert(report.damage.begin(), damage.begin(), damage.end());
  return report;
}

}  // namespace tetrarch::store
