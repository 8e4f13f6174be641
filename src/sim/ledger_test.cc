// SPDX-License-Identifier: Apache-2.0
#include "sim/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/domain.h"
#include "store/journal_memory.h"

namespace tetrarch::sim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Key kPod{"pods", "default", "a"};

class LedgerTest : public testing::Test {
 protected:
  LedgerTest() { open(disk_); }

  void open(std::shared_ptr<store::MemoryDisk> disk) {
    disk_ = std::move(disk);
    store::Options options;
    options.turns = [](const std::function<void()>& turn) { turn(); };
    is_watched_ = false;  // a process that is gone
    store_.reset();
    is_watched_ = true;
    auto journal = make_watched_journal(store::make_memory_journal(disk_),
                                        [this](const auto& batch, Revision last, bool is_durable) {
                                          if (is_watched_) {
                                            ledger_.take(batch, last, is_durable);
                                          }
                                        });
    auto opened = store::Store::open(std::move(journal), std::move(options));
    ASSERT_TRUE(opened.ok());
    store_ = *std::move(opened);
  }

  Revision put(const Key& key, std::string json, bool is_volatile = false) {
    store::Transaction transaction;
    transaction.mutations.push_back({key, Document::from_canonical(std::move(json))});
    transaction.is_volatile = is_volatile;
    Revision out;
    store_->commit(std::move(transaction),
                   [&](const store::Committing& done) { out = done->objects.front().revision; });
    return out;
  }

  Domain world_{TimePoint{}};
  History history_{world_.clock(), TimePoint{}};
  Ledger ledger_{history_};
  std::shared_ptr<store::MemoryDisk> disk_ = std::make_shared<store::MemoryDisk>();
  bool is_watched_ = true;
  std::unique_ptr<store::Store> store_;
};

TEST_F(LedgerTest, FindsNothingWhereAllIsThere) {
  ledger_.acknowledge(kPod, put(kPod, "{}"));
  put({"leases", "default", "l"}, "{}", true);

  open(disk_->after_kill());
  ledger_.compare(store_->snapshot(), false);
  put(kPod, R"({"a":1})");
  put({"leases", "default", "l"}, R"({"a":1})", true);
  open(disk_->after_power_loss());
  ledger_.compare(store_->snapshot(), true);

  EXPECT_THAT(history_.violations(), ElementsAre());
}

TEST_F(LedgerTest, FindsAWriteThatAStartDoesNotKnow) {
  put(kPod, "{}");
  const auto before = disk_->after_kill();
  put(kPod, R"({"a":1})");
  put({"pods", "default", "b"}, "{}");

  open(before);
  ledger_.compare(store_->snapshot(), false);

  EXPECT_THAT(history_.violations(), testing::Contains(HasSubstr("acknowledged was the write at")));
}

TEST_F(LedgerTest, FindsADurableWriteThatAPowerLossTook) {
  put(kPod, "{}", true);
  put({"pods", "default", "b"}, "{}");  // syncs the other, too
  open(std::make_shared<store::MemoryDisk>());
  ledger_.compare(store_->snapshot(), true);

  EXPECT_GE(history_.violation_count(), 2U);
}

TEST_F(LedgerTest, FindsARevisionThatIsGivenOutTwice) {
  const auto empty = disk_->after_kill();
  put(kPod, "{}");

  open(empty);
  put(kPod, "{}");

  EXPECT_THAT(history_.violations(), ElementsAre(HasSubstr("was given out before")));
}

TEST_F(LedgerTest, FindsAnAnswerOfAWriteThatWasNotMade) {
  const auto revision = put(kPod, "{}");

  ledger_.acknowledge(kPod, Revision{revision.number + 1});

  EXPECT_THAT(history_.violations(), ElementsAre(HasSubstr("which the journal never took")));
}

}  // namespace
}  // namespace tetrarch::sim
