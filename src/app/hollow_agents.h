// SPDX-License-Identifier: Apache-2.0
// HollowAgents: many agents in one process that join, register, beat, follow their feeds and say
// that their pods run and their units are active, each over connections and with a certificate of
// its own, as `tetrarch agent` does; only nothing runs. For `tetrarch bench`. Used by one thread.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "app/hollow_runtime.h"
#include "async/io_pool.h"
#include "async/task_group.h"
#include "base/result.h"
#include "schema/catalog.h"

namespace tetrarch::app {

class HollowAgent;

/// Of all agents together, so far.
struct HollowCounts {
  std::atomic<int> running = 0;  ///< pods that were said to run
  std::atomic<int> active = 0;   ///< units that were said to be active
};

class HollowAgents {
 public:
  struct Wish {
    int count = 1000;
    std::string server;               ///< https://host:port
    std::string token;                ///< to join with
    std::filesystem::path directory;  ///< each keeps its certificate in a folder of it
  };

  /// Returns when all have joined and registered.
  static Result<std::unique_ptr<HollowAgents>> make(Wish wish);
  HollowAgents(Wish wish, std::unique_ptr<schema::Catalog> catalog);
  ~HollowAgents();
  HollowAgents(const HollowAgents&) = delete;
  HollowAgents& operator=(const HollowAgents&) = delete;

  const HollowCounts& counts() const { return counts_; }

  /// How many agents were told of anything but their own Node since this was last asked.
  int take_told();

  /// Whether each has its connection to the server.
  bool are_connected() const;

 private:
  Status join_all();
  Task<void> join_share(int first, Status& outcome);
  Task<Status> join_one(int number);

  const Wish wish_;
  const std::unique_ptr<schema::Catalog> catalog_;
  HollowRuntime runtime_;
  HollowCounts counts_;
  async::IoPool pool_{1};
  std::vector<std::unique_ptr<HollowAgent>> agents_;
};

}  // namespace tetrarch::app
