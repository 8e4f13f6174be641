// SPDX-License-Identifier: Apache-2.0
// HollowNode: a Node object that is Ready and whose lease is kept fresh, with no agent behind it:
// so the pods that the load generator makes are no orphans, and nothing runs them.
#pragma once

#include <memory>
#include <string>

#include "async/io_pool.h"
#include "async/task_group.h"
#include "base/result.h"
#include "load/arguments.h"
#include "net/client.h"

namespace tetrarch::load {

class HollowNode {
 public:
  /// Makes the Node `arguments.node`, or takes the one that is there, and begins to renew its
  /// lease.
  static Result<std::unique_ptr<HollowNode>> make(async::IoPool& pool, const Arguments& arguments);
  HollowNode(async::IoPool& pool, const Arguments& arguments, std::unique_ptr<net::Client> client);
  /// Ends the renewals; removes Node and lease unless `arguments.keeps`.
  ~HollowNode();
  HollowNode(const HollowNode&) = delete;
  HollowNode& operator=(const HollowNode&) = delete;

 private:
  Task<void> announce(Status& outcome);
  Task<void> renew_for_ever();
  Task<void> leave();
  Task<Status> send(std::string method, std::string path, std::string body, int tolerated);

  async::IoPool& pool_;
  const Arguments& arguments_;
  std::unique_ptr<net::Client> client_;
  async::TaskGroup group_;
};

}  // namespace tetrarch::load
