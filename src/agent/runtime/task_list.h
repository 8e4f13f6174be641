// SPDX-License-Identifier: Apache-2.0
// What containerd itself runs, below CRI: one task for each sandbox and container that has a
// process.
#pragma once

#include <memory>
#include <string>

#include "async/task.h"
#include "base/result.h"

namespace tetrarch::agent::runtime {

struct Services;

class TaskList {
 public:
  /// `socket` is containerd's.
  explicit TaskList(const std::string& socket);

  /// Whether containerd has a process for it, whoever made it; also one that has ended and is not
  /// removed. False is certain, except for what is just being started. An error: it cannot say.
  Task<Result<bool>> has(std::string id) const;

 private:
  std::shared_ptr<Services> services_;  ///< shared: a call may outlive us
};

}  // namespace tetrarch::agent::runtime
