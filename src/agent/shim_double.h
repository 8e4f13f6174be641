// SPDX-License-Identifier: Apache-2.0
// A process that looks like a shim: a shell under its name and with its arguments, which has
// started a child. Only tests include it.
#pragma once

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "agent/runtime/process.h"

namespace tetrarch::agent {

class ShimDouble {
 public:
  explicit ShimDouble(const std::string& id) {
    std::string place = testing::TempDir() + "shim-XXXXXX";
    directory_ = ::mkdtemp(place.data());
    const auto program = directory_ / "containerd-shim-runc-v2";
    std::filesystem::create_symlink("/bin/sh", program);
    const auto log = directory_ / "log";
    ::mkfifo(log.c_str(), 0600);
    log_ = ::open(log.c_str(), O_RDWR | O_CLOEXEC);
    // The child speaks once it bears another name than the shell that has forked it.
    const auto pid = runtime::spawn_daemon({program,
                                            "-c",
                                            "sh -c 'echo up; exec sleep 1000' & wait",
                                            "sh",
                                            "-namespace",
                                            "k8s.io",
                                            "-id",
                                            id,
                                            "-address",
                                            socket()},
                                           log);
    pid_ = pid.ok() ? *pid : 0;
    pollfd up = {log_, POLLIN, 0};
    EXPECT_EQ(::poll(&up, 1, 20'000), 1) << "it has not started";
  }

  ~ShimDouble() {
    if (pid_ > 0) {
      ::kill(-pid_, SIGKILL);  // it leads a group of its own
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(log_);
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  ShimDouble(const ShimDouble&) = delete;
  ShimDouble& operator=(const ShimDouble&) = delete;

  std::string socket() const { return directory_ / "containerd.sock"; }

  const std::filesystem::path& directory() const { return directory_; }

  pid_t pid() const { return pid_; }

 private:
  std::filesystem::path directory_;
  int log_ = -1;
  pid_t pid_ = 0;
};

}  // namespace tetrarch::agent
