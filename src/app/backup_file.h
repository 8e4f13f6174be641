// SPDX-License-Identifier: Apache-2.0
// A backup as a file: written under another name (0600) until it is whole and synced, and read
// twice: once to know that every byte is right, then for what it holds.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "store/backup.h"
#include "store/check.h"

namespace tetrarch::app {

/// The files of a data directory that go with the store, by their path in it: CA, keys, join token.
Result<std::map<std::string, std::string>> files_to_keep(const std::string& data_dir);

class BackupWriter {
 public:
  /// Code::already_exists where there is such a file.
  static Result<std::unique_ptr<BackupWriter>> make(const std::string& path);

  BackupWriter(std::string path, std::string part, int fd)
      : path_(std::move(path)), part_(std::move(part)), fd_(fd) {}

  /// Without finish: removes what was written.
  ~BackupWriter();
  BackupWriter(const BackupWriter&) = delete;
  BackupWriter& operator=(const BackupWriter&) = delete;

  Status head(const store::BackupHead& head);
  Status pair(std::string_view key, std::string_view value);
  /// With the files behind the pairs, durable, and under its own name.
  Status finish(const std::map<std::string, std::string>& files);

  std::uint64_t bytes() const { return bytes_; }

 private:
  Status flush();
  Error failed(std::string_view doing) const;

  const std::string path_;
  const std::string part_;
  int fd_;
  store::BackupEncoder encoder_;
  std::string waiting_;
  std::uint64_t bytes_ = 0;
};

class BackupFile {
 public:
  /// Reads all of it once. Code::internal: damaged; Code::invalid: no backup.
  static Result<BackupFile> open(const std::string& path);

  const store::BackupHead& head() const { return head_; }

  /// By their path in a data directory; every one is a place of ours.
  const std::map<std::string, std::string>& files() const { return files_; }

  using Visit = std::function<Status(std::string_view key, std::string_view value)>;
  Status pairs(const Visit& visit) const;
  /// What its objects come to, opened with its own keys.
  Result<store::CheckReport> check() const;

 private:
  explicit BackupFile(std::string path) : path_(std::move(path)) {}

  Status read(const store::BackupDecoder::Visit& visit);

  std::string path_;
  store::BackupHead head_;
  std::map<std::string, std::string> files_;
};

}  // namespace tetrarch::app
