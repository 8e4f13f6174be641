// SPDX-License-Identifier: Apache-2.0
// Keeps this machine's Node and its lease at the server: made at start, status written when it
// changes and every five minutes, lease renewed every ten seconds. Used on the agent's strand.
#pragma once

#include <string>

#include "agent/agent.h"
#include "agent/node.h"
#include "agent/objects.h"
#include "async/task.h"
#include "async/timer.h"

namespace tetrarch::agent {

class Registrar {
 public:
  Registrar(const Options& options,
            Machine machine,
            client::Client& client,
            runtime::Runtime& runtime,
            const Clock& clock);

  const Machine& machine() const { return machine_; }

  /// Look again now: an image has come, the network is ready.
  void wake() { changed_.raise(); }

  // Owned by a TaskGroup.
  Task<void> keep_node();
  Task<void> keep_lease();

 private:
  Task<NodeState> look();
  Task<Result<Stored>> get_or_create();
  Task<Status> write_status();
  Task<Status> renew_lease();
  std::string lease(std::string_view acquired) const;

  const Options& options_;
  Machine machine_;
  client::Client& client_;
  runtime::Runtime& runtime_;
  const Clock& clock_;
  std::string version_;
  bool is_registered_ = false;
  TimePoint last_write_ = {};
  async::Event changed_;
};

}  // namespace tetrarch::agent
