// SPDX-License-Identifier: Apache-2.0
// What the agent keeps on disk: volumes' files, logs read back, objects saved for a start without a
// server.
#include <filesystem>
#include <fstream>
#include <sstream>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "agent/log_reader.h"
#include "agent/objects.h"
#include "agent/volume_files.h"
#include "async/io_pool.h"
#include "base/random.h"

namespace tetrarch::agent {
namespace {

namespace fs = std::filesystem;

class Files : public testing::Test {
 public:
  Files() : place_(fs::temp_directory_path() / ("agent-" + make_suffix(system_random(), 10))) {
    fs::create_directories(place_);
  }

  ~Files() override { fs::remove_all(place_); }

  static std::string read(const fs::path& path) {
    std::ifstream file(path);
    std::ostringstream out;
    out << file.rdbuf();
    return out.str();
  }

  fs::path place_;
};

TEST_F(Files, APayloadIsReplacedAsAWholeAndOldNamesGo) {
  const auto volume = place_ / "v";
  ASSERT_TRUE(write_payload(volume, {{"a", {"1", 0600}}, {"d/b", {"2", 0644}}}, {}).ok());
  const auto first = fs::read_symlink(volume / "..data");
  EXPECT_EQ(read(volume / "a"), "1");
  EXPECT_EQ(read(volume / "d/b"), "2");

  ASSERT_TRUE(write_payload(volume, {{"a", {"3", 0600}}}, {}).ok());

  EXPECT_EQ(read(volume / "a"), "3");
  EXPECT_FALSE(fs::exists(fs::symlink_status(volume / "d")));
  EXPECT_NE(fs::read_symlink(volume / "..data"), first);
  EXPECT_FALSE(fs::exists(volume / first));
  struct stat at = {};
  ASSERT_EQ(::stat((volume / "a").c_str(), &at), 0);
  EXPECT_EQ(at.st_mode & 0777U, 0600U);
}

TEST_F(Files, TheSamePayloadTouchesNothing) {
  const auto volume = place_ / "v";
  ASSERT_TRUE(write_payload(volume, {{"a", {"1", 0644}}}, {}).ok());
  const auto first = fs::read_symlink(volume / "..data");

  ASSERT_TRUE(write_payload(volume, {{"a", {"1", 0644}}}, {}).ok());

  EXPECT_EQ(fs::read_symlink(volume / "..data"), first);
}

TEST_F(Files, HostPathTypesAreChecked) {
  std::ofstream(place_ / "file") << "x";

  EXPECT_TRUE(check_host_path(place_ / "file", "File").ok());
  EXPECT_FALSE(check_host_path(place_ / "file", "Directory").ok());
  EXPECT_TRUE(check_host_path(place_ / "made/deep", "DirectoryOrCreate").ok());
  EXPECT_FALSE(check_host_path(place_ / "none", "Socket").ok());
  EXPECT_TRUE(check_host_path(place_ / "none", "").ok());
}

constexpr std::string_view kLog =
    "2026-01-01T00:00:01.000000000Z stdout F one\n"
    "2026-01-01T00:00:02.000000000Z stdout P tw\n"
    "2026-01-01T00:00:02.000000001Z stdout F o\n"
    "2026-01-01T00:00:03.000000000Z stderr F three\n";

TEST(LogFormatter, JoinsPartialLinesAcrossPieces) {
  LogFormatter formatter({});
  std::string all;
  for (const char c : kLog) {
    all += formatter.feed(std::string(1, c));
  }

  EXPECT_EQ(all, "one\ntwo\nthree\n");
}

TEST(LogFormatter, ObeysSinceTimestampsAndLimit) {
  const auto wishes = [](std::string_view json) {
    return log_wishes((*Document::parse(json))->root(), {});
  };

  EXPECT_EQ(LogFormatter(wishes(R"({"sinceTime":"2026-01-01T00:00:03Z"})")).feed(kLog), "three\n");
  EXPECT_THAT(LogFormatter(wishes(R"({"timestamps":true})")).feed(kLog),
              testing::StartsWith("2026-01-01T00:00:01.000000000Z one\n2026-01-01T00:00:02.0"));
  LogFormatter limited(wishes(R"({"limitBytes":5})"));
  EXPECT_EQ(limited.feed(kLog), "one\nt");
  EXPECT_TRUE(limited.is_full());
}

Stored stored(const std::string& resource, const std::string& name, std::uint64_t revision) {
  return {Key{resource, "default", name},
          Revision{revision},
          *Document::parse(R"({"metadata":{"name":")" + name + R"("},"data":{"k":"hidden"}})")};
}

TEST_F(Files, ARelistForgetsWhatIsNotNamedAgain) {
  async::BlockingPool blocking(1);
  Objects objects(place_, blocking);
  std::vector<std::string> gone;
  objects.on_change([&](const Key& key, DocumentPtr document) {
    if (document == nullptr) {
      gone.push_back(key.name);
    }
  });
  objects.apply({client::EventType::added, stored("pods", "a", 1)});
  objects.apply({client::EventType::added, stored("pods", "b", 2)});

  objects.begin_relist();
  objects.apply({client::EventType::added, stored("pods", "b", 2)});
  EXPECT_TRUE(gone.empty());
  objects.apply({client::EventType::bookmark, {}});

  EXPECT_THAT(gone, testing::ElementsAre("a"));
  EXPECT_TRUE(objects.is_synced());
}

TEST_F(Files, AnOlderStateNeverReplacesANewerOne) {
  async::BlockingPool blocking(1);
  Objects objects(place_, blocking);
  objects.apply({client::EventType::added, stored("pods", "a", 5)});

  objects.apply({client::EventType::modified, stored("pods", "a", 4)});

  EXPECT_EQ(objects.find(Key{"pods", "default", "a"})->revision.number, 5U);
}

Task<std::optional<Status>> save(Objects& objects) {
  co_return std::optional(co_await objects.save_now());
}

TEST_F(Files, SavedSecretsAreSealedAndReadBack) {
  const auto keys = trust::KeyRing::create(system_random());
  async::IoPool pool(1);
  async::BlockingPool blocking(1);
  Objects objects(place_, blocking);
  objects.set_keys(&keys);
  objects.apply({client::EventType::added, stored("secrets", "s", 7)});

  ASSERT_TRUE(asio::co_spawn(pool.strand(), save(objects), asio::use_future).get()->ok());

  EXPECT_EQ(read(place_ / "secrets/default@s").find("hidden"), std::string::npos);
  Objects again(place_, blocking);
  again.set_keys(&keys);

  again.load();

  const auto* found = again.find(Key{"secrets", "default", "s"});
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->revision.number, 7U);
  EXPECT_EQ(found->root()["data"]["k"].string(), "hidden");
}

TEST_F(Files, ANameThatEndsInNewIsAnObjectOfItsOwn) {
  async::IoPool pool(1);
  async::BlockingPool blocking(1);
  Objects objects(place_, blocking);
  objects.apply({client::EventType::added, stored("configmaps", "app.new", 1)});
  ASSERT_TRUE(asio::co_spawn(pool.strand(), save(objects), asio::use_future).get()->ok());
  objects.apply({client::EventType::added, stored("configmaps", "app", 2)});
  ASSERT_TRUE(asio::co_spawn(pool.strand(), save(objects), asio::use_future).get()->ok());
  Objects again(place_, blocking);

  again.load();

  EXPECT_NE(again.find(Key{"configmaps", "default", "app"}), nullptr);
  EXPECT_NE(again.find(Key{"configmaps", "default", "app.new"}), nullptr);
}

// As a process leaves it that is killed between writing and renaming.
TEST_F(Files, ADraftIsNoObjectAndGoes) {
  async::BlockingPool blocking(1);
  const auto draft = place_ / "pods/.default@web.new";
  fs::create_directories(draft.parent_path());
  std::ofstream(draft) << "7\n{}";
  Objects objects(place_, blocking);

  objects.load();

  EXPECT_TRUE(objects.all("pods").empty());
  EXPECT_FALSE(fs::exists(draft));
}

// As a former version left it.
TEST_F(Files, ADraftThatIsCalledLikeAnObjectIsNone) {
  async::BlockingPool blocking(1);
  const auto draft = place_ / "pods/default@web.new";
  fs::create_directories(draft.parent_path());
  std::ofstream(draft) << "7\n{\"metadata\":{\"name\":\"web\",\"namespace\":\"default\"}}";
  Objects objects(place_, blocking);

  objects.load();

  EXPECT_TRUE(objects.all("pods").empty());
  EXPECT_FALSE(fs::exists(draft));
}

TEST_F(Files, WhatCannotBeSavedIsSavedLater) {
  async::IoPool pool(1);
  async::BlockingPool blocking(1);
  Objects objects(place_, blocking);
  std::ofstream(place_ / "configmaps") << "in the way of a folder";
  objects.apply({client::EventType::added, stored("configmaps", "a", 1)});
  objects.apply({client::EventType::added, stored("pods", "p", 2)});

  EXPECT_FALSE(asio::co_spawn(pool.strand(), save(objects), asio::use_future).get()->ok());
  EXPECT_TRUE(fs::exists(place_ / "pods/default@p"));
  fs::remove(place_ / "configmaps");

  EXPECT_TRUE(asio::co_spawn(pool.strand(), save(objects), asio::use_future).get()->ok());
  EXPECT_TRUE(fs::exists(place_ / "configmaps/default@a"));
}

}  // namespace
}  // namespace tetrarch::agent
