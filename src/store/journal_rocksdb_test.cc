// SPDX-License-Identifier: Apache-2.0
#include "store/journal_rocksdb.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/directory_fixture.h"
#include "store/record.h"

namespace tetrarch::store {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class RocksdbJournalTest : public DirectoryTest {
 protected:
  std::string all_files() const {
    std::string bytes;
    for (const auto& [name, content] : files_of(directory_)) {
      bytes += content;
    }
    return bytes;
  }
};

TEST_F(RocksdbJournalTest, KeepsObjectsTagsAndRevisionsThroughRestarts) {
  Store& before = start();
  must_put(before, pod("a"), "1", "n1");
  must_put(before, pod("b"), "2");
  must_commit(before, change(remove(pod("b"))));
  const Revision last = must_put(before, {"nodes", "", "n1"}, "3");

  for (int i = 0; i < 3; ++i) {
    Store& store = start();
    EXPECT_EQ(store.snapshot().revision(), last);
    EXPECT_THAT(names(store.snapshot(), "pods"), ElementsAre("default/a"));
    EXPECT_THAT(names(store.snapshot(), "nodes"), ElementsAre("n1"));
    EXPECT_EQ(text_of(store.snapshot().get(pod("a"))->document), "1");
  }
}

TEST_F(RocksdbJournalTest, LoadsWhatHasBeenTurnedIntoTables) {
  Store& before = start();
  for (int i = 0; i < 3'000; ++i) {
    Transaction transaction;
    for (int j = 0; j < 10; ++j) {
      transaction.mutations.push_back(
          put(pod(std::to_string(10 * (i % 300) + j)), std::string(400, 'x')));
    }
    transaction.is_volatile = true;
    must_commit(before, std::move(transaction));
  }

  EXPECT_EQ(start().snapshot().count("pods", "default"), 3'000U);
}

TEST_F(RocksdbJournalTest, MakesItsDirectoryForTheOwnerOnly) {
  start();
  EXPECT_EQ(fs::status(directory_).permissions(), fs::perms::owner_all);
}

TEST_F(RocksdbJournalTest, SaysThatTheParentDirectoryIsMissing) {
  const auto journal = open_rocksdb_journal({.directory = root_ / "no" / "store"});
  EXPECT_THAT(journal.error().message, HasSubstr("No such file or directory"));
}

TEST_F(RocksdbJournalTest, IsOpenedByOneProcessAtATime) {
  start();
  const auto second = open_rocksdb_journal({.directory = directory_});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::unavailable);
  EXPECT_THAT(second.error().message, HasSubstr("is open in another process"));
}

TEST_F(RocksdbJournalTest, WritesNoSealedObjectInTheClear) {
  Options options;
  options.sealing.resources = {"secrets"};
  options.sealing.seal = [](std::string_view plain, std::string_view) -> Result<std::string> {
    return std::string(plain.rbegin(), plain.rend());
  };
  options.sealing.open = options.sealing.seal;
  must_put(start(options), {"secrets", "x", "s"}, "hidden-in-the-journal");
  must_put(*store_, {"configmaps", "x", "c"}, "shown-in-the-journal");

  EXPECT_THAT(all_files(), HasSubstr("shown-in-the-journal"));
  EXPECT_THAT(all_files(), Not(HasSubstr("hidden-in-the-journal")));
  EXPECT_EQ(text_of(start(options).snapshot().get({"secrets", "x", "s"})->document),
            "hidden-in-the-journal");
}

TEST_F(RocksdbJournalTest, RefusesANewerFormatAndADamagedObjectByName) {
  must_put(start(), pod("a"), "1");
  store_.reset();
  const auto overwrite = [this](std::string key, std::string value) {
    auto journal = open_rocksdb_journal({.directory = directory_}).value();
    EXPECT_TRUE(journal->begin().ok());
    EXPECT_TRUE(
        journal->append({{.key = std::move(key), .head = std::move(value), .body = {}}}, true)
            .ok());
  };

  overwrite(object_key(pod("b")), "not what we write, though long enough");
  EXPECT_THAT(why_not(), HasSubstr("the stored form of pods default/b is damaged"));
  overwrite(std::string(kFormatKey), "7");
  EXPECT_THAT(why_not(), HasSubstr("format 7, which a newer version wrote"));
  EXPECT_THAT(why_not(), HasSubstr(directory_.string()));
}

TEST_F(RocksdbJournalTest, SaysWhereATableIsDamaged) {
  Store& before = start();
  for (int i = 0; i < 100; ++i) {
    must_put(before, pod("a" + std::to_string(i)), std::to_string(i * 7919));
  }
  store_.reset();
  ASSERT_TRUE(start().snapshot().count("pods", "") == 100);
  store_.reset();
  for (const auto& file : fs::directory_iterator(directory_)) {
    if (file.path().extension() == ".sst") {
      std::fstream in(file.path(), std::ios::in | std::ios::out | std::ios::binary);
      in.seekp(static_cast<std::streamoff>(fs::file_size(file) / 4));
      in.write("damage", 6);
    }
  }

  const std::string why = why_not();
  EXPECT_THAT(why, HasSubstr("is damaged"));
  EXPECT_THAT(why, HasSubstr("`tetrarch store restore` puts a backup"));
}

}  // namespace
}  // namespace tetrarch::store
