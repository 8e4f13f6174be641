// SPDX-License-Identifier: Apache-2.0
#include "agent/network/torn_files.h"

#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace tetrarch::agent::network {
namespace {

namespace fs = std::filesystem;

constexpr std::time_t kBoot = 1'000'000;

class TornFiles : public testing::Test {
 protected:
  TornFiles() {
    std::string pattern = testing::TempDir() + "tetrarch-torn-XXXXXX";
    place_ = ::mkdtemp(pattern.data());
  }

  ~TornFiles() override { fs::remove_all(place_); }

  void write(const std::string& name, const std::string& content, std::time_t changed) const {
    std::ofstream(place_ / name) << content;
    const timespec times[2] = {{changed, 0}, {changed, 0}};
    ::utimensat(AT_FDCWD, (place_ / name).c_str(), times, 0);
  }

  fs::path place_;
};

TEST_F(TornFiles, AreEmptyAndOfAnEarlierBootAndCalledSo) {
  write("tet-a-1-eth0", "", kBoot - 1);
  write("tet-a-2-eth0", "{}", kBoot - 1);
  write("tet-a-3-eth0", "", kBoot + 1);
  write("tet-b-1-eth0", "", kBoot - 1);

  EXPECT_EQ(remove_torn_files(place_, "tet-a-", kBoot), 1U);

  EXPECT_FALSE(fs::exists(place_ / "tet-a-1-eth0"));
  EXPECT_TRUE(fs::exists(place_ / "tet-a-2-eth0")) << "whole";
  EXPECT_TRUE(fs::exists(place_ / "tet-a-3-eth0")) << "perhaps being written";
  EXPECT_TRUE(fs::exists(place_ / "tet-b-1-eth0")) << "another cluster's";
}

TEST_F(TornFiles, AreNoneWhereThereIsNoDirectory) {
  EXPECT_EQ(remove_torn_files(place_ / "absent", "", kBoot), 0U);
}

TEST_F(TornFiles, AreNoneWhereTheBootIsNotKnown) {
  write("1", "", kBoot - 1);
  EXPECT_EQ(remove_torn_files(place_, "", 0), 0U);
}

TEST(BootTime, IsReadFromTheKernelsStatistics) {
  EXPECT_EQ(boot_time("cpu 1 2\nintr 3\nbtime 1763891234\nprocesses 7\n"), 1'763'891'234);
  EXPECT_EQ(boot_time("cpu 1 2\n"), 0);
}

}  // namespace
}  // namespace tetrarch::agent::network
