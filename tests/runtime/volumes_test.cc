// SPDX-License-Identifier: Apache-2.0
// Volumes that are mounted: memory and parts. Needs root; fails, saying so, without.
#include <filesystem>
#include <fstream>
#include <sstream>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "agent/volume_files.h"
#include "agent/volume_mounts.h"
#include "base/random.h"

namespace tetrarch::agent {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class MountedVolumes : public testing::Test {
 public:
  MountedVolumes()
      : place_(fs::temp_directory_path() / ("volumes " + make_suffix(system_random(), 10))) {
    fs::create_directories(place_ / "pod");
  }

  void SetUp() override { ASSERT_EQ(::geteuid(), 0U) << "this test needs root: it mounts"; }

  ~MountedVolumes() override { EXPECT_TRUE(remove_volumes(place_).ok()); }

  /// The lines of /proc/self/mounts that lie below the place, which the kernel writes with \040.
  std::vector<std::string> mounts() const {
    std::vector<std::string> out;
    std::ifstream file("/proc/self/mounts");
    for (std::string line; std::getline(file, line);) {
      if (line.find(place_.filename().string().substr(sizeof("volumes"))) != std::string::npos) {
        out.push_back(line);
      }
    }
    return out;
  }

  static std::string read(const fs::path& path) {
    std::ifstream file(path);
    std::ostringstream out;
    out << file.rdbuf();
    return out.str();
  }

  fs::path place_;
};

TEST_F(MountedVolumes, ASecretIsInMemoryAndItsMountIsMadeOnce) {
  const auto volume = place_ / "pod/s";
  ASSERT_TRUE(write_payload_in_memory(volume, {{"key", {"one", 0400}}}, {}).ok());
  const auto first = mounts();

  const auto changed = write_payload_in_memory(volume, {{"key", {"two", 0400}}}, {});

  ASSERT_TRUE(changed.ok()) << changed.error().message;
  ASSERT_THAT(first, ElementsAre(HasSubstr(" tmpfs ")));
  EXPECT_EQ(mounts(), first);
  EXPECT_EQ(read(volume / "key"), "two");

  ASSERT_TRUE(unmount_below(place_ / "pod").ok());
  EXPECT_THAT(mounts(), IsEmpty());
  EXPECT_TRUE(fs::is_empty(volume)) << "nothing of it was on the disk";
}

TEST_F(MountedVolumes, AFolderOfAnEarlierVersionStaysUntilItsPodEnds) {
  const auto volume = place_ / "pod/s";
  ASSERT_TRUE(write_payload(volume, {{"key", {"one", 0400}}}, {}).ok());

  ASSERT_TRUE(write_payload_in_memory(volume, {{"key", {"two", 0400}}}, {}).ok());

  EXPECT_THAT(mounts(), IsEmpty()) << "a mount over it would hide changes from what runs";
  EXPECT_EQ(read(volume / "key"), "two");
}

TEST_F(MountedVolumes, MemoryThatARebootTookBelongsToTheGroupAgain) {
  const auto volume = place_ / "pod/m";
  ASSERT_TRUE(make_empty_dir(volume, true, 1 << 20, 4000).ok());
  ASSERT_TRUE(unmount_below(volume).ok());

  ASSERT_TRUE(make_empty_dir(volume, true, 1 << 20, 4000).ok());

  struct stat at = {};
  ASSERT_EQ(::stat(volume.c_str(), &at), 0);
  EXPECT_EQ(at.st_gid, 4000U);
  EXPECT_EQ(at.st_mode & 07777U, 02777U);
  EXPECT_THAT(mounts(), ElementsAre(HasSubstr("size=1024k")));
}

TEST_F(MountedVolumes, APartStaysWhatItWasWhenItsNameIsGivenToALink) {
  fs::create_directories(place_ / "volume/part");
  fs::create_directories(place_ / "outside");
  std::ofstream(place_ / "volume/part/mark") << "in";
  std::ofstream(place_ / "outside/mark") << "out";
  const SubPath part{place_ / "volume", "part", place_ / "pod/subpaths/main/0"};
  ASSERT_TRUE(bind_sub_path(part).ok());

  fs::rename(place_ / "volume/part", place_ / "volume/former");
  fs::create_directory_symlink(place_ / "outside", place_ / "volume/part");

  EXPECT_EQ(read(part.target / "mark"), "in");
  EXPECT_THAT(bind_sub_path(part).error().message, HasSubstr("leads outside the volume"));
}

TEST_F(MountedVolumes, ANewAttemptGetsWhatThePartIsByThen) {
  fs::create_directories(place_ / "volume");
  std::ofstream(place_ / "volume/part") << "a file";
  const SubPath part{place_ / "volume", "part", place_ / "pod/subpaths/main/0"};
  ASSERT_TRUE(bind_sub_path(part).ok());
  EXPECT_EQ(read(part.target), "a file");
  fs::remove(place_ / "volume/part");
  fs::create_directories(place_ / "volume/part");
  std::ofstream(place_ / "volume/part/mark") << "a directory";

  ASSERT_TRUE(bind_sub_path(part).ok());

  EXPECT_EQ(read(part.target / "mark"), "a directory");
  EXPECT_EQ(mounts().size(), 1U);
}

TEST_F(MountedVolumes, RemovingAPodLeavesWhatWasBoundFromTheHost) {
  fs::create_directories(place_ / "host/data");
  std::ofstream(place_ / "host/data/precious") << "kept";
  ASSERT_TRUE(bind_sub_path({place_ / "host", "data", place_ / "pod/subpaths/main/0"}).ok());
  fs::create_directory_symlink(place_ / "pod", place_ / "linked");

  const auto removed = remove_volumes(place_ / "linked/subpaths");

  EXPECT_TRUE(removed.ok()) << removed.error().message;
  EXPECT_EQ(read(place_ / "host/data/precious"), "kept") << "also by a path with a link in it";
  EXPECT_FALSE(fs::exists(place_ / "pod/subpaths"));
}

}  // namespace
}  // namespace tetrarch::agent
