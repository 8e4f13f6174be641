// SPDX-License-Identifier: Apache-2.0
#include "app/ownership.h"

#include <fcntl.h>
#include <filesystem>
#include <future>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include "app/machine.h"

namespace tetrarch::app {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

namespace fs = std::filesystem;

class OwnershipTest : public testing::Test {
 protected:
  OwnershipTest()
      : data_dir_(testing::TempDir() + "ownership"), path_(data_dir_ + "/tetrarch.pid") {
    fs::remove_all(data_dir_);
    fs::create_directories(data_dir_);
  }

  ~OwnershipTest() override { fs::remove_all(data_dir_); }

  int open_file() const { return open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600); }

  /// Of this process.
  int open_count() const {
    int count = 0;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
      count += fs::read_symlink(entry.path(), ignored) == fs::canonical(path_, ignored) ? 1 : 0;
    }
    return count;
  }

  std::string data_dir_;
  std::string path_;
};

TEST_F(OwnershipTest, IsOfOneProcessUntilItIsGone) {
  {
    const auto owned = Ownership::take(data_dir_);
    ASSERT_TRUE(owned.ok()) << owned.error().message;
    EXPECT_EQ(running_process(data_dir_), getpid());

    const auto second = Ownership::take(data_dir_, milliseconds(0));

    EXPECT_EQ(second.error().code, Code::unavailable);
    EXPECT_THAT(second.error().message, HasSubstr("(process " + std::to_string(getpid()) + ")"));
    EXPECT_EQ(running_process(data_dir_), getpid());
  }

  EXPECT_FALSE(fs::exists(path_));
  EXPECT_EQ(running_process(data_dir_), 0);
  EXPECT_TRUE(Ownership::take(data_dir_, milliseconds(0)).ok());
}

TEST_F(OwnershipTest, KnowsAFileThatWasRemovedOrMadeAnew) {
  const int fd = open_file();
  EXPECT_TRUE(is_at(fd, path_));

  fs::remove(path_);
  EXPECT_FALSE(is_at(fd, path_));

  const int fresh = open_file();
  EXPECT_FALSE(is_at(fd, path_));
  EXPECT_TRUE(is_at(fresh, path_));
  close(fd);
  close(fresh);
}

TEST_F(OwnershipTest, IsNotTheLockOfAFileThatTheOneBeforeRemoved) {
  const int before = open_file();
  ASSERT_EQ(flock(before, LOCK_EX | LOCK_NB), 0);
  auto taking = std::async(std::launch::async,
                           [this] { return Ownership::take(data_dir_, std::chrono::minutes(1)); });
  while (open_count() < 2) {
    sched_yield();  // until it waits for the lock of that file
  }

  fs::remove(path_);
  close(before);
  const auto owned = taking.get();

  ASSERT_TRUE(owned.ok()) << owned.error().message;
  EXPECT_EQ(running_process(data_dir_), getpid());
}

TEST_F(OwnershipTest, WhoLooksDoesNotSeeAnotherWhoLooks) {
  const int looking = open_file();
  ASSERT_EQ(flock(looking, LOCK_SH | LOCK_NB), 0);
  ASSERT_EQ(write(looking, "1234", 4), 4);  // of a process that was killed

  EXPECT_EQ(running_process(data_dir_), 0);
  close(looking);
}

}  // namespace
}  // namespace tetrarch::app
