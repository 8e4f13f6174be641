// SPDX-License-Identifier: Apache-2.0
#include "store/recovery.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "store/record.h"

namespace tetrarch::store {
namespace {

// An empty store begins here: 0 means "none" wherever a revision is printed or asked for.
constexpr std::uint64_t kFirstRevision = 1;

Error refused(const Journal& journal, std::string_view why) {
  return {Code::internal, fmt::format("cannot open the store in {}: {}", journal.place(), why)};
}

class Loader {
 public:
  Loader(const Journal& journal, const Sealing& sealing) : journal_(journal), sealing_(sealing) {}

  Status visit(std::string_view key, std::string_view value) {
    if (!key.starts_with(kObjectPrefix)) {
      return visit_number(key, value);
    }
    if (!format_) {  // "m/" sorts before "o/"
      return refused(journal_,
                     "it has objects but no format version, so it is not one of ours, or damaged");
    }
    auto record = decode_object(key, value, sealing_);
    if (!record.ok()) {
      return refused(journal_, record.error().message);
    }
    if (record->revision.number > last_) {
      return refused(journal_,
                     fmt::format("{} is newer ({}) than the last change ({})",
                                 describe(record->key),
                                 record->revision.number,
                                 last_));
    }
    Table& table = root_->table(record->key.resource);
    edit_.put(table.tree,
              Entry::make(place_of(record->key),
                          record->tag,
                          record->revision,
                          Document::from_canonical(std::move(record->bytes))));
    return ok();
  }

  Result<Recovered> finish() {
    if (last_ > reserved_) {
      return refused(
          journal_,
          fmt::format("its last change ({}) is beyond what it reserved ({})", last_, reserved_));
    }
    root_->revision = Revision{std::max(reserved_, kFirstRevision)};
    return Recovered{root_, Revision{std::max(last_, kFirstRevision)}};
  }

  bool is_new() const { return !format_; }

 private:
  Status visit_number(std::string_view key, std::string_view value) {
    auto number = decode_number(key, value);
    if (!number.ok()) {
      return refused(journal_, number.error().message);
    }
    if (key == kFormatKey) {
      format_ = *number;
      if (*number > kFormat) {
        return refused(
            journal_,
            fmt::format("it has format {}, which a newer version wrote; this one reads up to {}. "
                        "Run the newer version",
                        *number,
                        kFormat));
      }
    } else if (key == kLastKey) {
      last_ = *number;
    } else if (key == kReservedKey) {
      reserved_ = *number;
    }
    return ok();
  }

  const Journal& journal_;
  const Sealing& sealing_;
  const std::shared_ptr<Snapshot::Root> root_ = std::make_shared<Snapshot::Root>();
  Edit edit_{1};
  std::optional<std::uint64_t> format_;
  std::uint64_t last_ = 0;
  std::uint64_t reserved_ = 0;
};

}  // namespace

Result<Recovered> recover(Journal& journal, const Sealing& sealing) {
  Loader loader(journal, sealing);
  TRY_STATUS(journal.load(
      [&](std::string_view key, std::string_view value) { return loader.visit(key, value); }));
  if (loader.is_new()) {
    TRY_STATUS(journal.append({encode_number(kFormatKey, kFormat)}, true));
  }
  return loader.finish();
}

}  // namespace tetrarch::store
