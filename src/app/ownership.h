// SPDX-License-Identifier: Apache-2.0
// Ownership: a data directory belongs to one process at a time. Held by whatever runs from it, and
// by the commands that change it while nothing does.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"

namespace tetrarch::app {

/// The lock of a data directory and the pid in it, until this is gone.
class Ownership {
 public:
  /// Makes the directory where it is missing. Code::unavailable: another process has it.
  static Result<std::unique_ptr<Ownership>> take(const std::string& data_dir);

  Ownership(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  ~Ownership();
  Ownership(const Ownership&) = delete;
  Ownership& operator=(const Ownership&) = delete;

 private:
  int fd_;
  std::string path_;
  bool is_ours_ = true;
};

}  // namespace tetrarch::app
