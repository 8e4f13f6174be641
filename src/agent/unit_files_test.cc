// SPDX-License-Identifier: Apache-2.0
#include "agent/unit_files.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "unitfile/unit_file.h"

namespace tetrarch::agent {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kText = "[Service]\nExecStart=/bin/true\n";

class UnitFilesTest : public testing::Test {
 protected:
  UnitFilesTest() {
    note_.unit = "a.service";
    note_.uid = "u1";
    note_.ns = "fleet";
    note_.pod = "a";
    note_.hash = unitfile::hash_of(*unitfile::parse(kText));
    EXPECT_TRUE(files_.prepare("unix:path=/run/bus").ok());
  }

  ~UnitFilesTest() override { fs::remove_all(place_); }

  fs::path place_ = fs::temp_directory_path() / ("unit-files-" + make_suffix(system_random(), 10));
  UnitFiles files_{place_ / "units"};
  UnitNote note_;
};

TEST_F(UnitFilesTest, WhatIsPlacedIsFoundAgain) {
  EXPECT_EQ(files_.bus(), "unix:path=/run/bus");
  ASSERT_TRUE(files_.place(note_, kText).ok());
  note_.is_launched = true;
  note_.restarts = 3;
  ASSERT_TRUE(files_.write(note_).ok());
  EXPECT_THAT(*files_.read(), ElementsAre(note_));

  std::ofstream(files_.file("a.service")) << "[Service]\nExecStart=/bin/false\n";
  EXPECT_FALSE(files_.read()->front().is_whole) << "somebody has written into it";

  ASSERT_TRUE(files_.remove("a.service").ok());
  EXPECT_TRUE(files_.read()->empty());
  EXPECT_FALSE(fs::exists(files_.file("a.service")));
}

TEST_F(UnitFilesTest, AFileThatHasNoNoteIsLeftAsItIs) {
  std::ofstream(files_.file("a.service")) << "theirs";

  const auto placed = files_.place(note_, kText);

  ASSERT_FALSE(placed.ok());
  EXPECT_EQ(placed.error().code, Code::precondition);
  EXPECT_THAT(placed.error().message, HasSubstr("was not placed by this agent"));
  EXPECT_EQ(fs::file_size(files_.file("a.service")), 6U);
}

TEST_F(UnitFilesTest, OnlyWhatLeadsToOurFileIsOurs) {
  const auto ours = files_.file("a.service");
  const auto link = place_ / "a.service";
  fs::create_symlink(ours, link);
  const auto is_own = [&](const systemd::Fragment& found) {
    return check_own(found, "a.service", ours).ok();
  };

  EXPECT_TRUE(is_own({"not-found", ""}));
  EXPECT_TRUE(is_own({"loaded", ours}));
  EXPECT_TRUE(is_own({"loaded", link})) << "though the file that it leads to is lost";
  EXPECT_FALSE(is_own({"loaded", "/lib/systemd/system/a.service"}));
  EXPECT_FALSE(is_own({"masked", "/dev/null"}));
  EXPECT_FALSE(is_own({"loaded", ""})) << "a device, a mount, a scope";
}

}  // namespace
}  // namespace tetrarch::agent
