// SPDX-License-Identifier: Apache-2.0
// Keeps this machine's Node and its lease at the server: made at start, status written when it
// changes and every five minutes, lease renewed every ten seconds. What the feed and our own writes
// have shown is not asked for again: an idle node costs one write each ten seconds. Used on the
// agent's strand.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
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
    const bool& is_shutting_down;
    std::function<void(const std::vector<runtime::Image>&)> on_images = {};  ///< at every look
    /// Our Node as the feed last showed it; null: it is not there. Empty: it is asked for.
    std::function<const Stored*()> shown = {};
    int blob_port = 0;  ///< where other nodes fetch blobs from this one; 0: they cannot
    /// Empty: nothing is said of units.
    std::function<SystemdState()> systemd = {};
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
  Task<Result<Stored>> current();
  Task<Result<Stored>> get_or_create();
  Task<Status> say_to_others(const Stored& node);
  Task<Status> say_systemd(const Stored& node);
  Task<Status> patch_metadata(const Stored& node, std::string metadata);
  Task<Status> write_status();
  Task<Status> renew_lease();
  Task<Status> get_and_renew_lease();
  Task<Status> write_over(Stored present);
  std::string lease(std::string_view acquired) const;

  const Options& options_;
  Machine machine_;
  client::Client& client_;
  runtime::Runtime& runtime_;
  const Clock& clock_;
  const PressureState& pressure_;
  const std::vector<Threshold>& thresholds_;
  const bool& is_shutting_down_;
  std::function<void(const std::vector<runtime::Image>&)> on_images_;
  std::function<const Stored*()> shown_;
  const int blob_port_;
  std::function<SystemdState()> systemd_;
  std::string version_;
  bool is_registered_ = false;
  bool must_ask_ = true;              // since the server was last out of reach
  Revision written_ = {};             // by us, of the Node; what is shown may be older
  std::optional<Stored> lease_ = {};  // as we wrote it
  TimePoint last_write_ = {};
  async::Event changed_;
};

}  // namespace tetrarch::agent
