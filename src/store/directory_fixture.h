// SPDX-License-Identifier: Apache-2.0
// For tests of the store only: a store in a directory of its own, that can be copied, damaged and
// looked at.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "store/journal_rocksdb.h"
#include "store/store_fixture.h"

namespace tetrarch::store {

inline std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_bytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

class DirectoryTest : public testing::Test {
 protected:
  using Path = std::filesystem::path;

  DirectoryTest() {
    std::string pattern = testing::TempDir() + "tetrarch-store-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    directory_ = root_ / "store";
  }

  ~DirectoryTest() override {
    store_.reset();
    std::filesystem::remove_all(root_);
  }

  Store& start(Options options = {}) {
    store_.reset();
    auto opened =
        Store::open(open_rocksdb_journal({.directory = directory_}).value(), std::move(options));
    EXPECT_TRUE(opened.ok()) << (opened.ok() ? "" : opened.error().message);
    store_ = std::move(opened).value();
    return *store_;
  }

  void stop() { store_.reset(); }

  /// Why the store in `directory` does not open; empty where it does, and then it is in `store_`.
  std::string why_not(const Path& directory) {
    store_.reset();
    auto journal = open_rocksdb_journal({.directory = directory});
    if (!journal.ok()) {
      return journal.error().message;
    }
    auto opened = Store::open(std::move(journal).value(), {});
    if (!opened.ok()) {
      return opened.error().message;
    }
    store_ = std::move(opened).value();
    return "";
  }

  std::string why_not() { return why_not(directory_); }

  /// Files that hold something of the store, by name.
  static std::map<std::string, std::string> files_of(const Path& directory) {
    std::map<std::string, std::string> files;
    for (const auto& file : std::filesystem::directory_iterator(directory)) {
      const std::string name = file.path().filename();
      if (!name.starts_with("LOG") && !name.starts_with("OPTIONS") && name != "LOCK" &&
          name != "IDENTITY") {
        files[name] = read_bytes(file.path());
      }
    }
    return files;
  }

  /// What is stored: "pods default/a 1 @7".
  static std::vector<std::string> contents(const Snapshot& snapshot) {
    std::vector<std::string> out;
    for (const auto& resource : snapshot.resources()) {
      snapshot.scan(resource, "", {}, [&](const Stored& stored) {
        out.push_back(resource + " " + stored.key.ns + "/" + stored.key.name + " " +
                      text_of(stored.document) + " @" + std::to_string(stored.revision.number));
        return true;
      });
    }
    return out;
  }

  Path root_;
  Path directory_;
  std::unique_ptr<Store> store_;
};

}  // namespace tetrarch::store
