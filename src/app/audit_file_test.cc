// SPDX-License-Identifier: Apache-2.0
#include "app/audit_file.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>
#include <unistd.h>

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::app {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

/// Every look is a minute later.
class StridingClock final : public Clock {
 public:
  TimePoint now() const override {
    return *parse_time("2026-11-28T05:00:00Z") + std::chrono::minutes(++looks_);
  }

  SteadyPoint steady() const override { return {}; }

 private:
  mutable int looks_ = 0;
};

class AuditFileTest : public ::testing::Test {
 protected:
  AuditFileTest()
      : folder_(std::filesystem::temp_directory_path() / fmt::format("audit-{}", ::getpid())) {
    std::filesystem::create_directories(folder_);
    options_.path = folder_ / "audit.log";
  }

  ~AuditFileTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<AuditFile> make() {
    auto made = std::make_unique<AuditFile>(options_, pool_, metrics_, clock_);
    EXPECT_TRUE(made->open().ok());
    return made;
  }

  static std::string read(const std::filesystem::path& path) {
    std::ostringstream out;
    out << std::ifstream(path).rdbuf();
    return out.str();
  }

  /// Oldest first; the one that is written to last.
  std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> out;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      out.push_back(entry.path());
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  std::filesystem::path folder_;
  AuditFileOptions options_;
  async::BlockingPool pool_{1};
  Metrics metrics_;
  StridingClock clock_;
};

TEST_F(AuditFileTest, WritesLinesInOrderAndGoesOnWithAFileThatIsThere) {
  make()->write("one");
  {
    const auto file = make();
    file->write("two");
    file->write("three");
  }

  EXPECT_EQ(read(options_.path), "one\ntwo\nthree\n");
  EXPECT_EQ(metrics_.counter("apiserver_audit_event_total", "").value(), 3U);
  EXPECT_EQ(std::filesystem::status(options_.path).permissions(), std::filesystem::perms(0600));
}

TEST_F(AuditFileTest, PutsFullFilesAside) {
  options_.size_max = 10;
  {
    const auto file = make();
    for (const auto* line : {"1234", "5678", "abcd", "a line that is too long", "x"}) {
      file->write(line);
    }
  }

  std::vector<std::string> content;
  for (const auto& path : files()) {
    content.push_back(read(path));
  }
  EXPECT_THAT(content, ElementsAre("1234\n5678\n", "abcd\n", "a line that is too long\n", "x\n"));
}

TEST_F(AuditFileTest, KeepsSoManyFilesAndNoMore) {
  options_.size_max = 4;
  options_.backups_max = 2;
  {
    const auto file = make();
    for (const auto* line : {"one", "two", "six", "ten", "end"}) {
      file->write(line);
    }
  }

  ASSERT_THAT(files(), SizeIs(3));
  EXPECT_EQ(read(files()[0]), "six\n");
  EXPECT_EQ(read(files()[2]), "end\n");
}

TEST_F(AuditFileTest, RemovesFilesThatAreTooOld) {
  options_.size_max = 4;
  options_.backups_max = 0;
  options_.age_max = std::chrono::hours(1);
  std::ofstream(folder_ / "audit-2026-11-20T05-00-00.000000Z.log") << "old";
  std::ofstream(folder_ / "other-2026-11-20T05-00-00.000000Z.log") << "not ours";
  {
    const auto file = make();
    file->write("one");
    file->write("two");
  }

  ASSERT_THAT(files(), SizeIs(3));
  EXPECT_EQ(read(files()[0]), "one\n");
  EXPECT_EQ(read(files()[2]), "not ours");
}

TEST_F(AuditFileTest, GoesOnWhereSomebodyRemovedTheFile) {
  options_.size_max = 4;
  const auto file = make();
  file->write("one");
  file->flush();
  std::filesystem::remove(options_.path);

  for (const auto* line : {"two", "six", "ten"}) {
    file->write(line);
    file->flush();
  }

  std::vector<std::string> content;
  for (const auto& path : files()) {
    content.push_back(read(path));
  }
  EXPECT_THAT(content, ElementsAre("two\n", "six\n", "ten\n"));
}

TEST_F(AuditFileTest, WritesToTheOldFileUntilANewOneCanBeOpened) {
  options_.size_max = 4;
  const auto file = make();
  file->write("one");
  file->flush();
  std::filesystem::remove_all(folder_);

  for (const auto* line : {"two", "six"}) {
    file->write(line);
    file->flush();
  }
  std::filesystem::create_directories(folder_);
  file->write("ten");
  file->flush();

  EXPECT_EQ(read(options_.path), "ten\n");
  EXPECT_EQ(metrics_.counter("apiserver_audit_event_total", "").value(), 4U);
  EXPECT_EQ(metrics_.counter("apiserver_audit_error_total", "", R"(plugin="log")").value(), 0U);
}

TEST_F(AuditFileTest, DropsAndCountsWhatTheDiskIsTooSlowFor) {
  options_.queue_max = 10;
  std::promise<void> go_on;
  pool_.post([&go_on] { go_on.get_future().wait(); });
  const auto file = make();

  file->write("1234");
  file->write("5678");
  file->write("too much");
  go_on.set_value();
  file->flush();

  EXPECT_EQ(read(options_.path), "1234\n5678\n");
  EXPECT_EQ(metrics_.counter("tetrarch_audit_dropped_total", "").value(), 1U);
}

TEST_F(AuditFileTest, SaysWhereItCannotWrite) {
  options_.path = folder_ / "none" / "audit.log";
  AuditFile file(options_, pool_, metrics_, clock_);

  const auto opened = file.open();

  EXPECT_THAT(opened.error().message, ::testing::HasSubstr("none/audit.log"));
}

}  // namespace
}  // namespace tetrarch::app
