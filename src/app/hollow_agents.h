// SPDX-License-Identifier: Apache-2.0
// HollowAgents: many agents in one process that join, register, beat, follow their feeds and say
// that their pods run, each over connections and with a certificate of its own, as `tetrarch agent`
// does; only nothing runs. For `tetrarch bench agents`. Used by one thread.
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

  /// Pods that were said to run so far.
  int running() const { return running_; }

  /// Whether each has its connection to the server.
  bool are_connected() const;

 private:
  Status join_all();
  Task<void> join_share(int first, Status& outcome);
  Task<Status> join_one(int number);

  const Wish wish_;
  const std::unique_ptr<schema::Catalog> catalog_;
  HollowRuntime runtime_;
  std::atomic<int> running_ = 0;
  async::IoPool pool_{1};
  std::vector<std::unique_ptr<HollowAgent>> agents_;
};

}  // namespace tetrarch::app
