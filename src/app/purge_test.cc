// SPDX-License-Identifier: Apache-2.0
#include "app/purge.h"

#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

namespace fs = std::filesystem;

class PurgeTest : public testing::Test {
 protected:
  PurgeTest() : data_dir_(testing::TempDir() + "purge") { clear(); }

  ~PurgeTest() override { fs::remove_all(data_dir_); }

  void clear() const {
    fs::remove_all(data_dir_);
    fs::create_directories(data_dir_);
  }

  /// Files, and folders where a name ends with a slash.
  void make(const std::vector<std::string>& names) const {
    for (const auto& name : names) {
      fs::create_directories((data_dir_ / name).parent_path());
      if (!name.ends_with('/')) {
        std::ofstream(data_dir_ / name) << "x";
      }
    }
  }

  std::vector<std::string> left() const {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(data_dir_)) {
      out.push_back(entry.path().filename());
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  fs::path data_dir_;
};

TEST_F(PurgeTest, IsForDataDirectories) {
  struct Row {
    std::string_view name;
    std::vector<std::string> files;
    bool is_ours;
  };

  for (const Row& row : {
           Row{"a server's", {"server/ca.crt", "server/store/CURRENT", "notes.txt"}, true},
           Row{"an agent's", {"agent/objects.key", "agent/pods/", "x"}, true},
           Row{"joined and no more", {"agent/client.pem"}, true},
           Row{"cut off at once", {"images/pause.tar", "tetrarch.log", "server/"}, true},
           Row{"cut off, and its lock left", {"tetrarch.pid", "agent/logs/"}, true},
           Row{"only images", {"images/pause.tar", "registry-credentials.json"}, true},
           Row{"a restore cut off", {"server.restoring/ca.key", "server.replaced-1/ca.key"}, true},
           Row{"a removal cut off", {"agent/pods/busy/"}, true},
           Row{"empty", {}, true},
           Row{"somebody's project", {"server/main.go", "agent/main.go", "README.md"}, false},
           Row{"nothing but two folders", {"server/main.go", "agent/main.go"}, false},
           Row{"pictures", {"images/cat.png", "index.html"}, false},
       }) {
    clear();
    make(row.files);

    const auto checked = check_purge(data_dir_);

    EXPECT_EQ(checked.ok(), row.is_ours) << row.name;
    EXPECT_TRUE(row.is_ours ||
                checked.error().message.find("is no data directory") != std::string::npos);
  }
}

TEST_F(PurgeTest, LeavesTheLockAndWhatIsNotOurs) {
  make({"server/ca.crt",
        "agent/pods/",
        "images/a.tar",
        "manifests/",
        "admin.kubeconfig",
        "join-token",
        "tetrarch.pid",
        "tetrarch.log",
        "agent.sock",
        "server.replaced-1/x",
        "server.restoring/x",
        "notes.txt"});

  purge(data_dir_);

  EXPECT_THAT(left(), ElementsAre("notes.txt", "tetrarch.pid"));
}

TEST_F(PurgeTest, NamesWhatIsNotOurs) {
  make({"secret-plans.txt"});

  EXPECT_THAT(check_purge(data_dir_).error().message, HasSubstr("it has secret-plans.txt"));
}

}  // namespace
}  // namespace tetrarch::app
