// SPDX-License-Identifier: Apache-2.0
#include "app/keys.h"

#include <future>

#include <gtest/gtest.h>

#include "async/io_pool.h"
#include "async/task_group.h"
#include "base/random.h"
#include "store/journal_memory.h"

namespace tetrarch::app {
namespace {

/// A store of Secrets on a disk in memory, whose keys change.
class Keys : public testing::Test {
 protected:
  Keys() : keys_(std::make_shared<RestKeys>(trust::KeyRing::create(system_random()))) { open(); }

  ~Keys() override { group_.stop_and_wait(); }

  Result<std::unique_ptr<store::Store>> opened(const std::shared_ptr<RestKeys>& keys) const {
    store::Options options;
    options.sealing = sealing_with(keys);
    return store::Store::open(store::make_memory_journal(disk_), std::move(options));
  }

  void open() {
    auto store = opened(keys_);
    ASSERT_TRUE(store.ok());
    store_ = *std::move(store);
  }

  void put(const std::string& name) {
    store::Transaction transaction;
    transaction.mutations.push_back(
        {Key{"secrets", "ns", name}, Document::from_canonical(R"({"metadata":{},"data":"x"})")});
    std::promise<bool> done;
    store_->commit(std::move(transaction),
                   [&](const store::Committing& answer) { done.set_value(answer.ok()); });
    ASSERT_TRUE(done.get_future().get());
  }

  void reseal_all() {
    std::promise<void> done;
    group_.spawn(run(*store_, done));
    done.get_future().get();
  }

  static Task<void> run(store::Store& store, std::promise<void>& done) {
    co_await reseal(store);
    done.set_value();
  }

  async::IoPool pool_{1};
  async::TaskGroup group_{pool_.strand(), "test"};
  std::shared_ptr<store::MemoryDisk> disk_ = std::make_shared<store::MemoryDisk>();
  std::shared_ptr<RestKeys> keys_;
  std::unique_ptr<store::Store> store_;
};

TEST_F(Keys, AfterResealingNothingNeedsTheOldKey) {
  for (int i = 0; i < 300; ++i) {
    put("s" + std::to_string(i));
  }
  ASSERT_TRUE(keys_->replace(keys_->current()->rotated(system_random())));
  const auto before = store_->snapshot().revision();

  reseal_all();

  EXPECT_GE(store_->snapshot().revision().number, before.number + 300);
  store_.reset();
  open();
  EXPECT_EQ(store_->snapshot().count("secrets", ""), 300U);
  EXPECT_FALSE(keys_->has_seen_old());
}

TEST_F(Keys, AStartNoticesWhatARotationLeft) {
  put("s");
  ASSERT_TRUE(keys_->replace(keys_->current()->rotated(system_random())));
  store_.reset();

  open();

  EXPECT_TRUE(keys_->has_seen_old());
}

TEST_F(Keys, TheSameKeysAreNoNews) {
  const auto path = testing::TempDir() + "keys_test.keys";
  ASSERT_TRUE(keys_->current()->save(path).ok());

  EXPECT_FALSE(keys_->replace(*trust::KeyRing::load_or_create(path, system_random())));
}

TEST_F(Keys, WithoutItsKeyTheStoreDoesNotOpen) {
  put("s");
  store_.reset();
  const auto stranger = std::make_shared<RestKeys>(trust::KeyRing::create(system_random()));

  EXPECT_FALSE(opened(stranger).ok());
}

}  // namespace
}  // namespace tetrarch::app
