// SPDX-License-Identifier: Apache-2.0
// Ownership: a data directory belongs to one process at a time. Held by whatever runs from it, and
// by the commands that change it while nothing does.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/result.h"

namespace tetrarch::app {

/// The lock of a data directory and the pid in it, until this is gone.
class Ownership {
 public:
  /// Who looks whether a process runs has the lock for a moment, too.
  static constexpr std::chrono::milliseconds kPatience{1000};

  /// Makes the directory where it is missing. Code::unavailable: another process has it, after so
  /// long. Blocking.
  static Result<std::unique_ptr<Ownership>> take(const std::string& data_dir,
                                                 std::chrono::milliseconds patience = kPatience);

  /// Of a file that is locked.
  Ownership(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  ~Ownership();
  Ownership(const Ownership&) = delete;
  Ownership& operator=(const Ownership&) = delete;

 private:
  int fd_;
  std::string path_;
};

/// Whether the path still leads to the open file: not removed, nor made anew.
bool is_at(int fd, const std::string& path);

}  // namespace tetrarch::app
