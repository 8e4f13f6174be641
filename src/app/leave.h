// SPDX-License-Identifier: Apache-2.0
// Leave: this machine goes out of its cluster, in two halves. While its agent runs, its pods are
// moved; when the agent has ended, its Node, its credentials and all that it made are taken away.
// `tetrarch node leave` does both, and so does an agent with leave-on-stop when it is ended.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "app/config.h"
#include "app/connect.h"
#include "app/drain.h"
#include "base/result.h"

namespace tetrarch::app {

class Leave {
 public:
  struct Terms {
    std::chrono::seconds timeout = kDrainTimeout;  ///< of the drain; 0: none
    bool is_forced = false;                        ///< leaves though pods did not
  };

  /// With the credentials that the machine got when it joined. Code::invalid: it has not joined.
  static Result<std::unique_ptr<Leave>> prepare(const Config& config);

  Leave(std::string data_dir, std::string node, std::unique_ptr<Connection> connection);

  /// Cordons and drains, and ends what stays. Code::timeout: pods are left, and it is not forced;
  /// it stays cordoned.
  Status move_work(const Terms& terms);
  /// The agent has ended, and nothing starts it. May be tried again where it fails.
  Status forget();

 private:
  Status remove_from_api(const std::string& path);
  Status end_last_pods();
  Status remove_last_pods();

  const std::string data_dir_;
  const std::string node_;
  std::unique_ptr<Connection> connection_;
};

/// Drains; where that takes too long and it is forced, says so and goes on.
Status drain_or_force(Connection& connection, const std::string& node, const Leave::Terms& terms);

}  // namespace tetrarch::app
