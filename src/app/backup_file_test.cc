// SPDX-License-Identifier: Apache-2.0
#include "app/backup_file.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/command.h"
#include "app/machine.h"

namespace tetrarch::app {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

const TimePoint kNow = *parse_time("2026-11-23T12:00:00Z");

class BackupFileTest : public testing::Test {
 protected:
  BackupFileTest() {
    std::string pattern = testing::TempDir() + "tetrarch-backup-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    path_ = root_ / "b.backup";
  }

  ~BackupFileTest() override { fs::remove_all(root_); }

  void write(const std::map<std::string, std::string>& files) {
    const auto out = BackupWriter::make(path_).value();
    ASSERT_TRUE(out->head({Revision{7}, kNow}).ok());
    ASSERT_TRUE(out->pair("m/format", "2").ok());
    ASSERT_TRUE(out->pair("m/last", "7").ok());
    ASSERT_TRUE(out->pair("m/reserved", "7").ok());
    ASSERT_TRUE(out->finish(files).ok());
  }

  std::size_t files_there() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(root_), fs::directory_iterator()));
  }

  /// Exit status of `tetrarch store …`.
  int store(std::vector<std::string> words) {
    Config config;
    config.data_dir = root_ / "data";
    return run_store(config, words);
  }

  fs::path root_;
  std::string path_;
};

TEST_F(BackupFileTest, IsForTheOwnerOnlyAndReadAsWritten) {
  write({{"server/ca.key", "key"}, {"join-token", "token"}});
  EXPECT_EQ(fs::status(path_).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(files_there(), 1U);

  const auto file = BackupFile::open(path_).value();
  EXPECT_EQ(file.head().revision, Revision{7});
  EXPECT_EQ(file.head().taken_at, kNow);
  EXPECT_THAT(file.files(), ElementsAre(Pair("join-token", "token"), Pair("server/ca.key", "key")));
  std::vector<std::string> pairs;
  ASSERT_TRUE(file.pairs([&](std::string_view key, std::string_view value) {
                    pairs.push_back(std::string(key) + "=" + std::string(value));
                    return ok();
                  })
                  .ok());
  EXPECT_THAT(pairs, ElementsAre("m/format=2", "m/last=7", "m/reserved=7"));
  EXPECT_TRUE(file.check().value().damage.empty());
}

TEST_F(BackupFileTest, ReplacesNoFileAndLeavesNoPartBehind) {
  write({});
  const auto again = BackupWriter::make(path_);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, Code::already_exists);
  {
    const auto other = BackupWriter::make(path_ + "2").value();
    ASSERT_TRUE(other->head({Revision{7}, kNow}).ok());
    EXPECT_EQ(files_there(), 2U);
  }
  EXPECT_EQ(files_there(), 1U);
}

TEST_F(BackupFileTest, HasNoFileOutsideItsPlaces) {
  for (const auto* name :
       {"server/../../etc/x", "etc/passwd", "server/", "server/a/b", "server/store"}) {
    write({{name, "x"}});
    const auto file = BackupFile::open(path_);
    ASSERT_FALSE(file.ok()) << name;
    EXPECT_THAT(file.error().message, HasSubstr("no known place"));
    fs::remove(path_);
  }
}

TEST_F(BackupFileTest, ADamagedOneIsRefusedByNameAndNothingIsMade) {
  write({{"server/ca.key", "key"}});
  fs::resize_file(path_, fs::file_size(path_) - 1);
  const auto file = BackupFile::open(path_);
  ASSERT_FALSE(file.ok());
  EXPECT_THAT(file.error().message, HasSubstr(path_ + ": the backup is damaged at byte"));
  EXPECT_EQ(store({"restore", path_}), 1);
  EXPECT_EQ(store({"check", path_}), 1);
  EXPECT_FALSE(fs::exists(root_ / "data"));
  EXPECT_THAT(BackupFile::open(root_ / "none").error().message, HasSubstr("No such file"));
}

TEST_F(BackupFileTest, WithoutTheKeysNothingIsRestored) {
  write({{"server/ca.key", "key"}});
  EXPECT_EQ(store({"restore", path_}), 1);
  EXPECT_FALSE(fs::exists(root_ / "data"));
}

TEST_F(BackupFileTest, TheCommandRefusesWhatItDoesNotKnow) {
  EXPECT_EQ(store({}), 1);
  EXPECT_EQ(store({"backup"}), 1);
  EXPECT_EQ(store({"backup", path_, "--force"}), 1);
  EXPECT_EQ(store({"check", "--data"}), 1);
  EXPECT_EQ(store({"check"}), 1) << "there is no store";
}

}  // namespace
}  // namespace tetrarch::app
