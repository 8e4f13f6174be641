// SPDX-License-Identifier: Apache-2.0
// Our own containerd: started once, left running when we end, found again when we start, started
// anew when it dies. Containers live in shims of their own, so none of that touches them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "agent/runtime/containerd_config.h"
#include "async/io_pool.h"
#include "async/task.h"
#include "async/timer.h"
#include "base/result.h"

namespace tetrarch::agent::runtime {

struct ContainerdOptions {
  std::string binary = "containerd";
  std::filesystem::path directory;  ///< config.toml, log, pid file, root
  ContainerdSettings settings;
};

/// Who the pid file says runs; both numbers, so that a recycled pid is not mistaken.
struct DaemonRecord {
  int pid = 0;
  std::uint64_t start_time = 0;
};

/// The daemon of that directory if it still runs, else pid 0. Blocking.
DaemonRecord find_daemon(const std::filesystem::path& directory);

class Containerd {
 public:
  Containerd(ContainerdOptions options, async::BlockingPool& blocking);
  ~Containerd();
  Containerd(const Containerd&) = delete;
  Containerd& operator=(const Containerd&) = delete;

  /// Writes the configuration and starts or adopts the daemon; a changed configuration restarts it.
  /// Returns when its socket accepts connections.
  Task<Status> start();
  /// Restarts it whenever it ends: at once if it ran for a minute, else after 1 s, 2 s … 30 s.
  /// Never returns; owned by a TaskGroup.
  Task<void> supervise();

  /// Raised when it has been started or adopted; for one who waits on our strand.
  async::Event& started() { return started_; }

  /// Of the daemon that runs, on the scale of process_start_time(); 0: none does.
  std::uint64_t start_time() const { return daemon_.start_time; }

 private:
  Task<Status> launch();
  Task<void> wait_for_end(int pid);
  Task<Status> wait_for_socket();

  ContainerdOptions options_;
  async::BlockingPool& blocking_;
  DaemonRecord daemon_;
  async::Event started_;
};

}  // namespace tetrarch::agent::runtime
