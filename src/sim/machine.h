// SPDX-License-Identifier: Apache-2.0
// Machine: a simulated machine with its agent: keeps a Node and a lease, beats, follows its feed
// and runs pods (PodHost). It can lose power with or without its disk, and its agent can be
// restarted while the containers run on.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "agent/node.h"
#include "async/task_group.h"
#include "sim/chance.h"
#include "sim/history.h"
#include "sim/invariants.h"
#include "sim/network.h"
#include "sim/pod_host.h"

namespace tetrarch::sim {

class Machine {
 public:
  struct Shape {
    std::string name;
    std::string zone;
    std::string address;
    std::int64_t cpus = 8;
    std::int64_t memory_bytes = std::int64_t{16} << 30;
  };

  /// All outlive it.
  struct Parts {
    Network& network;
    Ledger& ledger;
    History& history;
    Invariants& invariants;
    asio::any_io_executor executor;
  };

  Machine(Parts parts, const Shape& shape, Chance chance);

  const std::string& name() const { return name_; }

  bool is_on() const { return is_on_; }

  void boot();
  Task<void> power_off(bool loses_disk);
  Task<void> restart_agent(milliseconds away);

  PodHost& pods() { return pods_; }

 private:
  void begin_agent();
  Task<void> keep_node(std::uint64_t life);
  Task<Status> write_node();
  Task<Result<Stored>> get_or_create();
  Task<void> keep_lease(std::uint64_t life);
  Task<Status> renew_lease();
  Task<void> beat(std::uint64_t life);
  Task<void> follow(std::uint64_t life);
  void take(const client::WatchEvent& event);

  const Parts parts_;
  const std::string name_;
  agent::Options options_;
  agent::Machine machine_;
  Chance chance_;
  RemoteClient client_;
  PodHost pods_;
  bool is_on_ = false;
  std::uint64_t life_ = 0;  // changes when an agent ends
  int boots_ = 0;
  std::optional<Stored> node_;   // as told last
  std::optional<Stored> lease_;  // as written last
  std::unique_ptr<async::TaskGroup> agent_;
};

}  // namespace tetrarch::sim
