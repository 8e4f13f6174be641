// SPDX-License-Identifier: Apache-2.0
// HollowNodes: Node objects that are Ready and whose leases are kept fresh, with no agents behind
// them: so the pods that the load generator makes are no orphans, and nothing runs them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "async/io_pool.h"
#include "async/task_group.h"
#include "base/result.h"
#include "load/arguments.h"
#include "net/client.h"

namespace tetrarch::load {

class HollowNodes {
 public:
  /// Makes `arguments.nodes` Nodes, or takes those that are there, and begins to renew their
  /// leases. With `is_cordoned` they take no pods yet.
  static Result<std::unique_ptr<HollowNodes>> make(async::IoPool& pool,
                                                   const Arguments& arguments,
                                                   bool is_cordoned = false);
  HollowNodes(async::IoPool& pool,
              const Arguments& arguments,
              std::vector<std::unique_ptr<net::Client>> clients);
  /// Ends the renewals; removes Nodes and leases unless `arguments.keeps`.
  ~HollowNodes();
  HollowNodes(const HollowNodes&) = delete;
  HollowNodes& operator=(const HollowNodes&) = delete;

  /// `arguments.node` where there is one; else with a number behind it.
  static std::string name_of(const Arguments& arguments, int number);

 private:
  using Step = Task<Status> (HollowNodes::*)(net::Client& client, std::string name);

  /// Every client takes its share of the nodes, one after the other.
  Task<void> for_share(std::size_t client, Step step, Status& outcome);
  Status for_all(Step step);
  Task<Status> announce(net::Client& client, std::string name);
  Task<Status> leave(net::Client& client, std::string name);
  Task<void> renew_for_ever(std::size_t client);

  async::IoPool& pool_;
  const Arguments& arguments_;
  std::vector<std::unique_ptr<net::Client>> clients_;
  bool is_cordoned_ = false;
  async::TaskGroup group_;
};

}  // namespace tetrarch::load
