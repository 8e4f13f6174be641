// SPDX-License-Identifier: Apache-2.0
// Keeps this machine's Node and its lease at the server: made at start, status written when it
// changes and every five minutes, lease renewed every ten seconds. Used on the agent's strand.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agent/agent.h"
#include "agent/node.h"
#include "agent/objects.h"
#include "async/task.h"
#include "async/timer.h"

namespace tetrarch::agent {

class Registrar {
 public:
  /// All outlive it.
  struct Parts {
    client::Client& client;
    runtime::Runtime& runtime;
    const Clock& clock;
    const PressureState& pressure;
    const std::vector<Threshold>& thresholds;
    std::function<void(const std::vector<runtime::Image>&)> on_images = {};  ///< at every look
  };

  Registrar(const Options& options, Machine machine, const Parts& parts);

  const Machine& machine() const { return machine_; }

  /// Look again now: an image has come, the network is ready.
  void wake() { changed_.raise(); }

  // Owned by a TaskGroup.
  Task<void> keep_node();
  Task<void> keep_lease();

 private:
  Task<NodeState> look();
  Task<Result<Stored>> get_or_create();
  Task<Status> say_transport(const Stored& node);
  Task<Status> write_status();
  Task<Status> renew_lease();
  std::string lease(std::string_view acquired) const;

  const Options& options_;
  Machine machine_;
  client::Client& client_;
  runtime::Runtime& runtime_;
  const Clock& clock_;
  const PressureState& pressure_;
  const std::vector<Threshold>& thresholds_;
  std::function<void(const std::vector<runtime::Image>&)> on_images_;
  std::string version_;
  bool is_registered_ = false;
  TimePoint last_write_ = {};
  async::Event changed_;
};

}  // namespace tetrarch::agent
