// SPDX-License-Identifier: Apache-2.0
// Bits are flipped and files cut at many places of a store. Each time it either starts with all
// that was acknowledged, or is refused with nothing changed on the disk. It never starts with less.
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/check.h"
#include "store/directory_fixture.h"
#include "store/synced_mark.h"

namespace tetrarch::store {
namespace {

namespace fs = std::filesystem;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class DamageTest : public DirectoryTest {
 protected:
  /// Objects in a table, further ones and deletions in the log, all acknowledged.
  void fill() {
    Store& first = start();
    for (int i = 0; i < 40; ++i) {
      must_put(first, pod("in-table-" + std::to_string(i)), std::to_string(i * 7919));
    }
    Store& second = start();
    for (int i = 0; i < 20; ++i) {
      must_put(second, pod("in-log-" + std::to_string(i)), std::to_string(i * 104'729));
      must_commit(second, change(remove(pod("in-table-" + std::to_string(i)))));
    }
    expected_ = contents(second.snapshot());
    kill();
  }

  /// As after kill -9: the log is not closed in an orderly way.
  void kill() {
    const fs::path copy = root_ / "killed";
    fs::copy(directory_, copy);
    store_.reset();
    fs::remove_all(directory_);
    fs::rename(copy, directory_);
    fs::remove(directory_ / "LOCK");
    original_ = files_of(directory_);
  }

  /// Puts `bytes` in the place of one file of the original and tries to start.
  void judge(const std::string& name, const std::string& bytes, const std::string& how) {
    SCOPED_TRACE(name + " " + how);
    const fs::path place = root_ / "damaged";
    fs::remove_all(place);
    fs::copy(directory_, place);
    write_bytes(place / name, bytes);
    const auto before = files_of(place);
    const bool is_check_clean = check_store(place, {}).value().damage.empty();
    EXPECT_EQ(files_of(place), before) << "the check changed something";

    const std::string why = why_not(place);
    if (why.empty()) {
      EXPECT_EQ(contents(store_->snapshot()), expected_) << "started with less";
      ++started_;
      stop();
      return;
    }
    ++refused_;
    EXPECT_FALSE(is_check_clean) << why;
    EXPECT_THAT(why, HasSubstr(place.string()));
    EXPECT_THAT(why, HasSubstr("`tetrarch store check`"));
    EXPECT_EQ(files_of(place), before) << "a refused start changed something";
  }

  void flip_and_cut(const std::string& name, std::size_t places) {
    const std::string& whole = original_.at(name);
    for (std::size_t i = 0; i < places; ++i) {
      const std::size_t at = (whole.size() - 1) * i / (places - 1);
      std::string flipped = whole;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << (i % 8)));
      judge(name, flipped, "flipped at " + std::to_string(at));
      judge(name, whole.substr(0, at), "cut at " + std::to_string(at));
    }
  }

  std::string file_like(std::string_view part) const {
    for (const auto& [name, bytes] : files_of(directory_)) {
      if (name.find(part) != std::string::npos && !bytes.empty()) {
        return name;
      }
    }
    ADD_FAILURE() << "no file like " << part;
    return "";
  }

  void remove_file(const std::string& name) { fs::remove(directory_ / name); }

  std::vector<std::string> expected_;
  std::map<std::string, std::string> original_;
  int started_ = 0;
  int refused_ = 0;
};

TEST_F(DamageTest, OfTheLogIsNoticedWhereverItIs) {
  fill();
  flip_and_cut(file_like(".log"), 24);
  EXPECT_EQ(started_, 0) << "every record of this log was acknowledged";
}

TEST_F(DamageTest, OfATableIsNoticed) {
  fill();
  flip_and_cut(file_like(".sst"), 24);
  EXPECT_GT(refused_, 40) << "but for a few bytes that nobody reads";
}

TEST_F(DamageTest, OfTheManifestIsNoticed) {
  fill();
  flip_and_cut(file_like("MANIFEST"), 16);
  EXPECT_GT(refused_, 24);
}

TEST_F(DamageTest, OfTheSmallFilesIsNoticedOrLosesNothing) {
  fill();
  flip_and_cut("CURRENT", 6);
  EXPECT_GT(refused_, 8);
  started_ = 0;
  refused_ = 0;
  judge(kSyncedFile, "", "cut");
  judge(kSyncedFile, "synced 00000000000000000000 0000000000000000\n", "zeroed");
  EXPECT_EQ(refused_, 0) << "it only bears witness";
}

TEST_F(DamageTest, MissingFilesAreNoticed) {
  fill();
  for (const auto& [name, bytes] : original_) {
    if (name == kSyncedFile || bytes.empty()) {
      continue;
    }
    const fs::path place = root_ / "missing";
    fs::remove_all(place);
    fs::copy(directory_, place);
    fs::remove(place / name);
    const auto before = files_of(place);
    EXPECT_THAT(why_not(place), HasSubstr("tetrarch store restore")) << name;
    EXPECT_EQ(files_of(place), before);
    EXPECT_THAT(check_store(place, {}).value().damage, Not(IsEmpty())) << name;
  }
}

TEST_F(DamageTest, OfTheUnsyncedTailIsWhatAPowerLossLeavesAndIsNoDamage) {
  fill();
  Store& store = start();
  must_put(store, pod("synced"), "1");
  expected_ = contents(store.snapshot());
  const auto synced = fs::file_size(directory_ / file_like(".log"));
  for (int i = 0; i < 30; ++i) {
    must_commit(store, volatile_put(pod("beat"), std::to_string(i)));
  }
  kill();
  const std::string log = file_like(".log");
  const std::string& whole = original_.at(log);

  for (std::size_t cut = synced; cut < whole.size(); cut += 97) {
    const fs::path place = root_ / "torn";
    fs::remove_all(place);
    fs::copy(directory_, place);
    write_bytes(place / log, whole.substr(0, cut));
    ASSERT_EQ(why_not(place), "") << "cut at " << cut;
    EXPECT_TRUE(store_->snapshot().get(pod("synced")));
    EXPECT_GE(store_->snapshot().count("pods", ""), expected_.size());
    stop();
  }
}

TEST_F(DamageTest, BeforeSomethingSyncedIsNoticedThoughTheMarkIsOld) {
  Store& store = start();
  must_commit(store, volatile_put(pod("lost"), "1"));
  must_put(store, pod("kept"), "2");
  kill();
  remove_file(kSyncedFile);  // after a power loss it may be old
  const std::string log = file_like(".log");
  std::string bytes = original_.at(log);
  bytes[bytes.find("lost")] = 'L';
  write_bytes(directory_ / log, bytes);

  const std::string why = why_not();
  EXPECT_THAT(why, HasSubstr("changes that had been acknowledged are lost: " + log));
  EXPECT_THAT(why, HasSubstr("behind it lie changes of pods default/kept"));
  EXPECT_THAT(check_store(directory_, {}).value().damage, Contains(HasSubstr(log)));
}

TEST_F(DamageTest, NothingIsLostByAnOrderlyEndOrAKill) {
  fill();
  EXPECT_EQ(why_not(), "");
  EXPECT_EQ(contents(store_->snapshot()), expected_);
  stop();
  EXPECT_THAT(check_store(directory_, {}).value().damage, IsEmpty());
  EXPECT_EQ(why_not(), "");
}

}  // namespace
}  // namespace tetrarch::store
