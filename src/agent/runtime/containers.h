// SPDX-License-Identifier: Apache-2.0
// The containers runtime: CRI and containerd's native services on one socket. Knows nothing of how
// containerd is kept running (containerd.h does that); while it is down every call answers
// Code::unavailable.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "agent/runtime/runtime.h"
#include "async/io_pool.h"
#include "base/metrics.h"

namespace tetrarch::agent::runtime {

struct ContainersOptions {
  std::string socket;                    ///< containerd's
  std::filesystem::path pipe_directory;  ///< for the streams of exec; ours alone
  std::string ctr_binary = "ctr";        ///< unpacks archives into containerd
  /// containerd's, whose file system is flushed after each new image; empty: not flushed.
  std::filesystem::path root = {};
  Metrics* metrics = nullptr;  ///< how long operations took; outlives the runtime
};

/// `blocking` outlives it.
std::unique_ptr<Runtime> make_containers(ContainersOptions options, async::BlockingPool& blocking);

}  // namespace tetrarch::agent::runtime
