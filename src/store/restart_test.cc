// SPDX-License-Identifier: Apache-2.0
// What a start finds and refuses, on a memory disk: after an orderly end, a kill, a power loss, and
// on a bad journal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/record.h"
#include "store/store_fixture.h"

namespace tetrarch::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST_F(StoreTest, GoesOnWithTheVeryNextRevisionAfterAnOrderlyEnd) {
  const Revision last = must_put(start(), pod("a"), "1");

  Store& store = start();

  EXPECT_EQ(store.snapshot().revision(), last);
  EXPECT_EQ(store.snapshot().get(pod("a"))->revision, last);
  EXPECT_EQ(must_put(store, pod("a"), "2").number, last.number + 1);
}

TEST_F(StoreTest, KeepsEverythingAcknowledgedThroughAKill) {
  Store& before = start();
  must_put(before, pod("a"), "1");
  must_put(before, pod("b"), "2");
  must_commit(before, change(remove(pod("a"))));
  must_commit(before, volatile_put({"leases", "x", "l"}, "beat"));

  Store& store = kill_and_start();

  EXPECT_THAT(names(store.snapshot(), "pods"), ElementsAre("default/b"));
  EXPECT_EQ(text_of(store.snapshot().get({"leases", "x", "l"})->document), "beat");
}

TEST_F(StoreTest, NeverGivesARevisionTwiceThoughPowerLossTookVolatileWrites) {
  Options options;
  options.revision_block = 3;
  Store& before = start(options);
  must_put(before, pod("a"), "1");
  Revision shown;
  for (int i = 0; i < 20; ++i) {  // several blocks
    shown = must_commit(before, volatile_put({"leases", "x", "l"}, std::to_string(i)));
  }

  Store& store = lose_power_and_start(options);

  EXPECT_THAT(names(store.snapshot(), "pods"), ElementsAre("default/a"));
  EXPECT_GE(store.snapshot().revision(), shown);
  EXPECT_GT(must_put(store, pod("b"), ""), shown);
}

TEST_F(StoreTest, WritesVolatileTransactionsWithoutFsync) {
  Store& store = start();
  must_put(store, pod("a"), "1");
  const std::size_t syncs = disk_->syncs();

  must_commit(store, volatile_put({"leases", "x", "l"}, "1"));
  must_commit(store, volatile_put({"leases", "x", "l"}, "2"));
  EXPECT_EQ(disk_->syncs(), syncs);

  must_put(store, pod("a"), "2");
  EXPECT_EQ(disk_->syncs(), syncs + 1);
}

TEST_F(StoreTest, ResumesAWatchAfterAStartOnlyFromTheLastChangeOrTheNewestRevision) {
  Store& before = start();
  const Revision first = must_put(before, pod("a"), "1");
  const Revision last = must_put(before, pod("a"), "2");

  Store& store = kill_and_start();
  const Revision now = store.snapshot().revision();

  EXPECT_EQ(store.watch({"pods"}, first).error().code, Code::expired);
  EXPECT_EQ(store.watch({"pods"}, Revision{last.number + 1}).error().code, Code::expired);
  EXPECT_EQ(store.watch({"pods"}, Revision{now.number + 1}).error().code, Code::invalid);
  EXPECT_EQ(store.compacted(), last);
  auto from_last = watch({"pods"}, last);
  auto from_now = watch({"pods"}, now);
  must_put(store, pod("b"), "3");
  EXPECT_THAT(poll(*from_last), ElementsAre("ADDED default/b 3"));
  EXPECT_THAT(poll(*from_now), ElementsAre("ADDED default/b 3"));
}

TEST_F(StoreTest, KeepsTagsThroughARestart) {
  must_put(start(), pod("a"), "1", "node-1");

  Store& store = start();
  auto watching = watch({.resource = "pods", .tag = "node-1"}, store.snapshot().revision());
  must_put(store, pod("a"), "2", "node-2");

  EXPECT_THAT(poll(*watching), ElementsAre("DELETED default/a 1"));
}

TEST_F(StoreTest, RefusesANewerFormat) {
  must_put(start(), pod("a"), "1");
  stop();
  disk_->overwrite(std::string(kFormatKey), "3");

  EXPECT_THAT(why_not(),
              HasSubstr("format 3, which a newer version wrote; this one reads up to 2"));
}

TEST_F(StoreTest, NamesTheObjectThatIsDamaged) {
  must_put(start(), pod("a"), "1");
  must_put(*store_, pod("b"), "2", "node");
  stop();
  const std::string key = object_key(pod("b"));
  const std::string good = disk_->contents().at(key);

  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    disk_->overwrite(key, bad);
    ASSERT_THAT(why_not(), HasSubstr("stored form of pods default/b is damaged")) << "byte " << i;
    disk_->overwrite(key, good.substr(0, i));
    ASSERT_THAT(why_not(), HasSubstr("stored form of pods default/b is damaged")) << "cut at " << i;
  }
  disk_->overwrite(key, good);
  EXPECT_EQ(why_not(), "");
}

TEST_F(StoreTest, RefusesAJournalThatContradictsItself) {
  must_put(start(), pod("a"), "1");
  stop();
  const auto good = disk_->contents();

  disk_->overwrite(std::string(kLastKey), "1");
  EXPECT_THAT(why_not(), HasSubstr("pods default/a is newer (2) than the last change (1)"));
  disk_->overwrite(std::string(kLastKey), "9");
  EXPECT_THAT(why_not(), HasSubstr("beyond what it reserved"));
  disk_->overwrite(std::string(kLastKey), "nine");
  EXPECT_THAT(why_not(), HasSubstr("m/last is damaged"));
  disk_ = std::make_shared<MemoryDisk>();
  disk_->overwrite(object_key(pod("a")), good.at(object_key(pod("a"))));
  EXPECT_THAT(why_not(), HasSubstr("no format version"));
}

// Reverses the text; what it is bound to is put before it, and must be there.
Sealing reversing() {
  Sealing sealing;
  sealing.resources = {"secrets"};
  sealing.seal = [](std::string_view plain, std::string_view bound) -> Result<std::string> {
    return std::string(bound) + std::string(plain.rbegin(), plain.rend());
  };
  sealing.open = [](std::string_view sealed, std::string_view bound) -> Result<std::string> {
    if (!sealed.starts_with(bound)) {
      return Error{Code::internal, "wrong key"};
    }
    sealed.remove_prefix(bound.size());
    return std::string(sealed.rbegin(), sealed.rend());
  };
  return sealing;
}

TEST_F(StoreTest, SealsTheResourcesItWasToldToAndNoOthers) {
  Options options;
  options.sealing = reversing();
  must_put(start(options), {"secrets", "x", "s"}, "hidden");
  must_put(*store_, {"configmaps", "x", "c"}, "shown");
  stop();

  EXPECT_THAT(disk_->contents().at(object_key({"secrets", "x", "s"})), Not(HasSubstr("hidden")));
  EXPECT_THAT(disk_->contents().at(object_key({"configmaps", "x", "c"})), HasSubstr("shown"));
  EXPECT_EQ(text_of(start(options).snapshot().get({"secrets", "x", "s"})->document), "hidden");
}

TEST_F(StoreTest, ReadsWhatWasWrittenBeforeSealingWasTurnedOnAndSealsItAtTheNextWrite) {
  must_put(start(), {"secrets", "x", "s"}, "hidden");
  Options options;
  options.sealing = reversing();

  Store& store = start(options);
  EXPECT_EQ(text_of(store.snapshot().get({"secrets", "x", "s"})->document), "hidden");

  must_put(store, {"secrets", "x", "s"}, "hidden");
  EXPECT_THAT(disk_->contents().at(object_key({"secrets", "x", "s"})), Not(HasSubstr("hidden")));
}

TEST_F(StoreTest, SaysWhichObjectCannotBeOpened) {
  Options options;
  options.sealing = reversing();
  must_put(start(options), {"secrets", "x", "s"}, "hidden");
  must_put(*store_, {"secrets", "x", "t"}, "other");

  EXPECT_THAT(why_not(), HasSubstr("secrets x/s is encrypted and there is no key"));
  Options wrong = options;
  wrong.sealing.open = [](std::string_view, std::string_view) -> Result<std::string> {
    return Error{Code::internal, "bad tag"};
  };
  EXPECT_THAT(why_not(wrong),
              HasSubstr("secrets x/s cannot be decrypted (is it the right key?): bad tag"));
}

TEST_F(StoreTest, RefusesAWriteThatCannotBeSealedAndGoesOn) {
  Options options;
  options.sealing = reversing();
  options.sealing.seal = [](std::string_view, std::string_view) -> Result<std::string> {
    return Error{Code::internal, "no key yet"};
  };
  Store& store = start(options);
  const Revision before = store.snapshot().revision();

  EXPECT_EQ(commit(store, change(put({"secrets", "x", "s"}, "hidden"))).error().message,
            "no key yet");
  EXPECT_THAT(names(store.snapshot(), "secrets"), IsEmpty());
  EXPECT_EQ(must_put(store, pod("a"), "1").number, before.number + 1);
}

}  // namespace
}  // namespace tetrarch::store
