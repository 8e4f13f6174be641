// SPDX-License-Identifier: Apache-2.0
// Faults: what goes wrong in a simulation, by chance, one after the other and several at once:
// machines that are cut off, slow, off or without their disk, agents and containers that end, and a
// server that is killed, loses power, stands still or has its clock set. Each ends in time.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "async/task_group.h"
#include "sim/chance.h"
#include "sim/machine.h"
#include "sim/network.h"
#include "sim/users.h"

namespace tetrarch::sim {

class Faults {
 public:
  /// All outlive it.
  struct Parts {
    Network& network;
    Server& server;
    Invariants& invariants;
    History& history;
    std::vector<std::unique_ptr<Machine>>& machines;
    const Users& users;
    asio::any_io_executor executor;
  };

  Faults(Parts parts, Chance chance);

  /// None begins, and none lasts, beyond that time.
  void begin(TimePoint until);

  bool are_over() const { return group_.size() == 0; }

  async::TaskGroup& group() { return group_; }

  std::size_t count() const { return count_; }

 private:
  Task<void> rage();
  Task<void> hit_machine(std::size_t number);
  Task<void> suffer(std::size_t number, std::size_t what, milliseconds length);
  Task<void> hit_server();
  Task<void> hit_user();
  Task<void> spoil_link(std::string place, std::size_t what, milliseconds length);
  void crash_containers();
  milliseconds length(milliseconds low, milliseconds high);
  milliseconds left() const;

  const Parts parts_;
  Chance chance_;
  TimePoint until_;
  std::set<std::string> hit_;  // places that suffer already
  std::size_t count_ = 0;
  async::TaskGroup group_;
};

}  // namespace tetrarch::sim
