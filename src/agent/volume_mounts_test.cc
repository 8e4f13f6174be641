// SPDX-License-Identifier: Apache-2.0
// Parts of volumes, also while a container changes what their names lead to. What needs mounts is
// in tests/runtime/volumes_test.cc.
#include "agent/volume_mounts.h"

#include <atomic>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <future>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "async/io_pool.h"
#include "base/random.h"

namespace tetrarch::agent {
namespace {

namespace fs = std::filesystem;

class SubPaths : public testing::Test {
 public:
  SubPaths() : place_(fs::temp_directory_path() / ("parts-" + make_suffix(system_random(), 10))) {
    fs::create_directories(volume_ / "in");
    fs::create_directories(outside_);
    std::ofstream(volume_ / "in/mark") << "in";
    std::ofstream(outside_ / "mark") << "out";
  }

  ~SubPaths() override { fs::remove_all(place_); }

  /// What a descriptor leads to.
  static fs::path place_of(const OwnedFd& fd) {
    return fs::read_symlink(fmt::format("/proc/self/fd/{}", fd.get()));
  }

  std::string message_of(std::string_view inner) const {
    const auto opened = open_sub_path(volume_, inner);
    return opened.ok() ? "opened" : opened.error().message;
  }

  fs::path place_;
  fs::path volume_ = place_ / "volume";
  fs::path outside_ = place_ / "outside";
};

TEST_F(SubPaths, AreOpenedOrMadeWithTheModeOfTheVolume) {
  ::chmod(volume_.c_str(), 02770);

  const auto found = open_sub_path(volume_, "in/mark");
  const auto made = open_sub_path(volume_, "./new//deep/er");

  ASSERT_TRUE(found.ok()) << found.error().message;
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ(place_of(*found), volume_ / "in/mark");
  EXPECT_EQ(place_of(*made), volume_ / "new/deep/er");
  struct stat at = {};
  ASSERT_EQ(::stat((volume_ / "new/deep").c_str(), &at), 0);
  EXPECT_EQ(at.st_mode & 07777U, 02770U);
}

TEST_F(SubPaths, FollowLinksThatStayInside) {
  fs::create_directory_symlink("in", volume_ / "link");
  fs::create_directories(volume_ / "deep");
  fs::create_directory_symlink("../in", volume_ / "deep/link");

  const auto near = open_sub_path(volume_, "link/mark");
  const auto far = open_sub_path(volume_, "deep/link/mark");

  ASSERT_TRUE(near.ok() && far.ok());
  EXPECT_EQ(place_of(*near), volume_ / "in/mark");
  EXPECT_EQ(place_of(*far), volume_ / "in/mark");
}

TEST_F(SubPaths, MayNotLeaveTheirVolume) {
  fs::create_directory_symlink("/etc", volume_ / "absolute");
  fs::create_directory_symlink("../outside", volume_ / "relative");
  fs::create_directory_symlink("/proc/self/root", volume_ / "magic");
  fs::create_directory_symlink("nothing", volume_ / "dangling");

  for (const char* inner : {"absolute/passwd", "relative", "relative/made", "magic/etc"}) {
    EXPECT_THAT(message_of(inner), testing::HasSubstr("leads outside the volume")) << inner;
  }
  EXPECT_THAT(message_of("../volume"), testing::HasSubstr("leaves the volume"));
  EXPECT_THAT(message_of("dangling/made"), testing::HasSubstr("cannot open"));
  EXPECT_FALSE(open_sub_path(place_ / "none", "made").ok());
  EXPECT_FALSE(fs::exists(outside_ / "made")) << "nothing is made outside";
}

/// Changes a directory and a link that leads outside into each other, without pause.
class Swapper {
 public:
  Swapper(fs::path one, fs::path other) : one_(std::move(one)), other_(std::move(other)) {
    pool_.post([this] {
      while (!is_over_) {
        swaps_ +=
            ::renameat2(AT_FDCWD, one_.c_str(), AT_FDCWD, other_.c_str(), RENAME_EXCHANGE) == 0;
      }
      ended_.set_value();
    });
  }

  ~Swapper() {
    is_over_ = true;
    ended_.get_future().wait();
    EXPECT_GT(swaps_, 0);
  }

 private:
  fs::path one_;
  fs::path other_;
  std::atomic<bool> is_over_ = false;
  std::atomic<int> swaps_ = 0;
  std::promise<void> ended_;
  async::BlockingPool pool_{1};
};

TEST_F(SubPaths, ALinkSwappedInMeanwhileLeadsNowhere) {
  fs::create_directories(volume_ / "part");
  std::ofstream(volume_ / "part/mark") << "in";
  fs::create_directory_symlink(outside_, volume_ / "link");
  const Swapper swapper(volume_ / "part", volume_ / "link");

  int opened = 0;
  int refused = 0;
  for (int tries = 0; tries < 20000 && (opened < 200 || refused < 200); ++tries) {
    const auto part = open_sub_path(volume_, tries % 2 == 0 ? "part/mark" : "part/made/deep");
    ++(part.ok() ? opened : refused);
    if (part.ok()) {
      ASSERT_THAT(place_of(*part).string(), testing::StartsWith(volume_.string() + "/"));
    }
  }

  EXPECT_GE(opened, 200);
  EXPECT_GE(refused, 200) << "the swapping was seen";
  EXPECT_FALSE(fs::exists(outside_ / "made")) << "nothing is made outside";
}

}  // namespace
}  // namespace tetrarch::agent
