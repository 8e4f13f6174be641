// SPDX-License-Identifier: Apache-2.0
#include "store/recovery.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "store/damage.h"
#include "store/record.h"
#include "store/sums.h"

namespace tetrarch::store {
namespace {

// An empty store begins here: 0 means "none" wherever a revision is printed or asked for.
constexpr std::uint64_t kFirstRevision = 1;

class Loader {
 public:
  Loader(const Journal& journal, const Sealing& sealing) : journal_(journal), sealing_(sealing) {}

  Status visit(std::string_view key, std::string_view value) {
    if (!key.starts_with(kObjectPrefix)) {
      return visit_own(key, value);
    }
    if (!format_) {  // "m/" sorts before "o/"
      return damaged("it has objects but no format version, so it is not one of ours, or damaged");
    }
    auto record = decode_object(key, value, sealing_);
    if (!record.ok()) {
      return damaged(record.error().message);
    }
    if (record->revision.number > last_) {
      return damaged(fmt::format("{} is newer ({}) than the last change ({})",
                                 describe(record->key),
                                 record->revision.number,
                                 last_));
    }
    Table& table = root_->table(record->key.resource);
    table.marks += mark_of(*table.resource, place_of(record->key), record->revision);
    edit_.put(table.tree,
              Entry::make(place_of(record->key),
                          record->tag,
                          record->revision,
                          Document::from_canonical(std::move(record->bytes))));
    return ok();
  }

  Result<Recovered> finish() {
    if (last_ > reserved_) {
      return damaged(
          fmt::format("its last change ({}) is beyond what it reserved ({})", last_, reserved_));
    }
    if (format_.value_or(kFormat) >= kFormatWithSums) {
      TRY_STATUS(check_sums());
    }
    root_->revision = Revision{std::max(reserved_, kFirstRevision)};
    return Recovered{root_, Revision{std::max(last_, kFirstRevision)}};
  }

  bool is_current() const { return format_ == kFormat; }

  /// What makes an older or empty store one of this format.
  std::vector<Journal::Write> upgrade() const {
    std::vector<Journal::Write> writes{encode_number(kFormatKey, kFormat)};
    for (const Table& table : root_->tables) {
      writes.push_back(encode_sum(*table.resource, table.sum()));
    }
    return writes;
  }

 private:
  static constexpr std::uint64_t kFormatWithSums = 2;

  Status check_sums() const {
    Sums found;
    for (const Table& table : root_->tables) {
      found[*table.resource] = table.sum();
    }
    const auto differences = compare_sums(sums_, found);
    return differences.empty() ? ok()
                               : Status(damaged(fmt::format("{}", fmt::join(differences, "; "))));
  }

  /// What is the store's own, not an object's.
  Status visit_own(std::string_view key, std::string_view value) {
    if (key.starts_with(kSumPrefix)) {
      const auto sum = decode_sum(key, value);
      if (!sum.ok()) {
        return damaged(sum.error().message);
      }
      sums_[std::string(resource_of_sum(key))] = *sum;
      return ok();
    }
    auto number = decode_number(key, value);
    if (!number.ok()) {
      return damaged(number.error().message);
    }
    if (key == kFormatKey) {
      format_ = *number;
      return check_format(*number);
    }
    if (key == kLastKey) {
      last_ = *number;
    } else if (key == kReservedKey) {
      reserved_ = *number;
    }
    return ok();
  }

  Status check_format(std::uint64_t format) const {
    if (format > kFormat) {
      return Error{
          Code::internal,
          fmt::format("cannot open the store in {}: {}", journal_.place(), newer_format(format))};
    }
    return ok();
  }

  Error damaged(std::string_view what) const { return damaged_store(journal_.place(), what); }

  const Journal& journal_;
  const Sealing& sealing_;
  const std::shared_ptr<Snapshot::Root> root_ = std::make_shared<Snapshot::Root>();
  Edit edit_{1};
  std::optional<std::uint64_t> format_;
  std::uint64_t last_ = 0;
  std::uint64_t reserved_ = 0;
  Sums sums_;
};

}  // namespace

Result<Recovered> recover(Journal& journal, const Sealing& sealing) {
  Loader loader(journal, sealing);
  TRY_STATUS(journal.load(
      [&](std::string_view key, std::string_view value) { return loader.visit(key, value); }));
  TRY(auto recovered, loader.finish());
  TRY_STATUS(journal.begin());
  if (!loader.is_current()) {
    TRY_STATUS(journal.append(loader.upgrade(), true));
  }
  return recovered;
}

}  // namespace tetrarch::store
