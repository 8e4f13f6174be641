// SPDX-License-Identifier: Apache-2.0
#include "sim/ledger.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/check.h"
#include "store/record.h"

namespace tetrarch::sim {

void Ledger::check_given_out(const Written& written) {
  if (written.revision <= newest_) {
    history_.violate(fmt::format("{} got revision {}, though {} was given out before",
                                 store::describe(written.key),
                                 written.revision.number,
                                 newest_.number));
  }
}

void Ledger::take(const std::vector<Written>& batch, Revision last, bool is_durable) {
  std::vector<Revision> given;
  for (const auto& written : batch) {
    check_given_out(written);
    if (written.document) {
      given.push_back(written.revision);
    }
    states_.insert_or_assign(written.key, State{written.revision, written.document == nullptr});
    unsynced_.insert(written.key);
  }
  std::sort(given.begin(), given.end());
  if (std::adjacent_find(given.begin(), given.end()) != given.end()) {
    history_.violate(fmt::format("a batch up to {} has a revision twice", last.number));
  }
  newest_ = std::max(newest_, last);
  if (is_durable) {
    unsynced_.clear();
  }
}

void Ledger::acknowledge(const Key& key, Revision revision) {
  const auto at = states_.find(key);
  if (at == states_.end() || at->second.revision < revision) {
    history_.violate(fmt::format("{} was acknowledged at {}, which the journal never took",
                                 store::describe(key),
                                 revision.number));
  }
}

void Ledger::expect(const store::Snapshot& found, const Key& key, State& state, bool may_differ) {
  const auto there = found.get(key);
  const bool is_same = state.is_deleted ? !there : there && there->revision == state.revision;
  if (is_same) {
    return;
  }
  if (!may_differ) {
    history_.violate(
        fmt::format("{}: the start found {}, but acknowledged was {} at {}",
                    store::describe(key),
                    there ? fmt::format("revision {}", there->revision.number) : "nothing",
                    state.is_deleted ? "the deletion" : "the write",
                    state.revision.number));
  }
  state = there ? State{there->revision, false} : State{state.revision, true};
}

void Ledger::compare(const store::Snapshot& found, bool has_lost_power) {
  std::size_t living = 0;
  for (auto& [key, state] : states_) {
    expect(found, key, state, has_lost_power && unsynced_.contains(key));
    living += state.is_deleted ? 0 : 1;
  }
  std::size_t there = 0;
  for (const auto& resource : found.resources()) {
    there += found.count(resource, "");
  }
  if (there != living) {
    history_.violate(fmt::format("the start found {} objects, written were {}", there, living));
  }
  if (found.revision() < newest_) {
    history_.violate(fmt::format("the start is at revision {}, though {} was given out",
                                 found.revision().number,
                                 newest_.number));
  }
  std::erase_if(states_, [](const auto& each) { return each.second.is_deleted; });
  unsynced_.clear();
}

namespace {

class WatchedJournal final : public store::Journal {
 public:
  WatchedJournal(std::unique_ptr<store::Journal> inner, Told told)
      : inner_(std::move(inner)), told_(std::move(told)) {}

  Status load(const Visit& visit) override { return inner_->load(visit); }

  Status begin() override { return inner_->begin(); }

  Status append(const std::vector<Write>& writes, bool is_durable) override {
    TRY_STATUS(inner_->append(writes, is_durable));
    std::vector<Written> batch;
    Revision last;
    for (const auto& write : writes) {
      if (write.key.starts_with(store::kObjectPrefix)) {
        batch.push_back(decoded(write));
      } else if (write.key == store::kLastKey) {
        last.number = store::decode_number(write.key, write.head + std::string(write.body)).value();
      }
    }
    for (auto& written : batch) {
      written.revision = written.document ? written.revision : last;
    }
    told_(batch, last, is_durable);
    return ok();
  }

  std::string place() const override { return inner_->place(); }

 private:
  static Written decoded(const Write& write) {
    if (write.is_delete) {
      return {store::parse_key(write.key).value(), {}};
    }
    auto record = store::decode_object(write.key, write.head + std::string(write.body), {});
    CHECK(record.ok());
    return {std::move(record->key),
            record->revision,
            Document::from_canonical(std::move(record->bytes))};
  }

  const std::unique_ptr<store::Journal> inner_;
  const Told told_;
};

}  // namespace

std::unique_ptr<store::Journal> make_watched_journal(std::unique_ptr<store::Journal> inner,
                                                     Told told) {
  return std::make_unique<WatchedJournal>(std::move(inner), std::move(told));
}

}  // namespace tetrarch::sim
