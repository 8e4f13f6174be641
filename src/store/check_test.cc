// SPDX-License-Identifier: Apache-2.0
// What the check finds, in the words that the operator reads.
#include "store/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/directory_fixture.h"
#include "store/record.h"

namespace tetrarch::store {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;

class CheckTest : public DirectoryTest {
 protected:
  std::vector<std::string> damage() { return check_store(directory_, {}).value().damage; }

  void overwrite(std::vector<Journal::Write> writes) {
    stop();
    auto journal = open_rocksdb_journal({.directory = directory_}).value();
    ASSERT_TRUE(journal->begin().ok());
    ASSERT_TRUE(journal->append(writes, true).ok());
  }
};

TEST_F(CheckTest, TellsWhatThereIs) {
  Store& store = start();
  must_put(store, pod("a"), "1");
  must_put(store, pod("b"), "2");
  const Revision last = must_put(store, {"nodes", "", "n"}, "3");
  stop();

  const auto report = check_store(directory_, {}).value();
  EXPECT_THAT(report.damage, IsEmpty());
  EXPECT_EQ(report.format, kFormat);
  EXPECT_EQ(report.last, last.number);
  EXPECT_EQ(report.reserved, last.number);
  EXPECT_EQ(report.found.at("pods").objects, 2U);
  EXPECT_EQ(report.found.at("nodes").objects, 1U);
}

TEST_F(CheckTest, KnowsWhereThereIsNoStoreAndWhereOneIsOpen) {
  EXPECT_EQ(check_store(directory_, {}).error().code, Code::not_found);
  start();
  const auto open = check_store(directory_, {});
  ASSERT_FALSE(open.ok());
  EXPECT_EQ(open.error().code, Code::unavailable);
  EXPECT_THAT(open.error().message, HasSubstr("open in another process"));
}

TEST_F(CheckTest, AnEmptyStoreIsWhole) {
  start();
  stop();
  EXPECT_THAT(damage(), IsEmpty());
}

TEST_F(CheckTest, CountsWhatIsMissingPerResource) {
  Store& store = start();
  for (int i = 0; i < 5; ++i) {
    must_put(store, pod(std::to_string(i)), "x");
  }
  must_put(store, {"nodes", "", "n"}, "x");
  overwrite({{.key = object_key(pod("1")), .head = {}, .body = {}, .is_delete = true},
             {.key = object_key(pod("3")), .head = {}, .body = {}, .is_delete = true}});

  EXPECT_THAT(damage(), ElementsAre("2 of the 5 pods that were stored are missing"));
  EXPECT_THAT(why_not(), HasSubstr("2 of the 5 pods that were stored are missing"));
}

TEST_F(CheckTest, NoticesAnObjectInAnOlderStateAndOneThatIsNone) {
  Store& store = start();
  must_put(store, pod("a"), "old");
  stop();
  std::string old;
  auto journal = open_rocksdb_journal({.directory = directory_}).value();
  ASSERT_TRUE(journal
                  ->load([&](std::string_view key, std::string_view value) {
                    old = key == object_key(pod("a")) ? std::string(value) : old;
                    return ok();
                  })
                  .ok());
  journal.reset();
  must_put(start(), pod("a"), "new");
  overwrite({{.key = object_key(pod("a")), .head = old, .body = {}}});
  EXPECT_THAT(damage(), ElementsAre(HasSubstr("some are in an older state")));

  overwrite({{.key = object_key(pod("b")), .head = {}, .body = {}}});
  EXPECT_THAT(damage(), Contains(HasSubstr("the stored form of pods default/b is damaged")));
}

TEST_F(CheckTest, NamesDamagedObjectsAndContradictions) {
  Store& store = start();
  must_put(store, pod("a"), "1");
  Transaction lies;
  lies.mutations.push_back(
      {.key = pod("b"),
       .document = Document::from_canonical(R"({"metadata":{"name":"c","namespace":"default"}})")});
  must_commit(store, std::move(lies));
  overwrite({{.key = object_key(pod("a")), .head = "not what we write at all", .body = {}}});

  EXPECT_THAT(
      damage(),
      AllOf(Contains("the stored form of pods default/a is damaged"),
            Contains("pods default/b is not what it should be: it says that it is default/c"),
            Contains("1 of the 2 pods that were stored are missing")));
}

TEST_F(CheckTest, NamesNumbersThatAreMissingOrContradict) {
  must_put(start(), pod("a"), "1");
  overwrite({encode_number(kLastKey, 1), encode_number(kReservedKey, 0)});
  EXPECT_THAT(
      damage(),
      ElementsAre("its last change (1) is beyond what it reserved (0)",
                  "1 objects, among them pods default/a (2), are newer than the last change (1)"));
  overwrite({{.key = std::string(kReservedKey), .head = {}, .body = {}, .is_delete = true},
             encode_number(kFormatKey, 9)});
  EXPECT_THAT(damage(),
              AllOf(Contains("its number m/reserved is missing"), Contains(HasSubstr("format 9"))));
}

TEST_F(CheckTest, TellsWhichKeysADamagedTableLoses) {
  Store& store = start();
  std::string noise;  // so that it does not compress into one block
  std::uint32_t random = 1;
  for (int i = 0; i < 200; ++i) {
    noise.clear();
    for (int j = 0; j < 2'000; ++j) {
      random = random * 1'664'525U + 1'013'904'223U;
      noise += static_cast<char>('a' + (random >> 24) % 26);
    }
    must_put(store, pod("p" + std::to_string(1'000 + i)), noise);
  }
  start();  // turns the log into a table
  stop();
  for (const auto& [name, bytes] : files_of(directory_)) {
    if (name.ends_with(".sst")) {
      std::string bad = bytes;
      bad[bad.size() / 2] = static_cast<char>(bad[bad.size() / 2] ^ 1);
      write_bytes(directory_ / name, bad);
    }
  }

  EXPECT_THAT(
      damage(),
      AllOf(Contains(HasSubstr("is damaged, which holds what lies from")),
            Contains(MatchesRegex("from what follows pods default/p1... to pods default/p1... "
                                  "nothing can be read .*")),
            Contains(MatchesRegex("[0-9]?[0-9] of the 200 pods that were stored are missing"))));
}

}  // namespace
}  // namespace tetrarch::store
