// SPDX-License-Identifier: Apache-2.0
// PodHost: the pods of one simulated machine. What an agent decides is decided by the real code
// (agent/plan.h, agent/status.h); carrying it out takes simulated time and makes a container a
// few fields. The containers live on while the agent is away; the agent's memory does not.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/plan.h"
#include "agent/pod_state.h"
#include "async/task_group.h"
#include "async/timer.h"
#include "client/client.h"
#include "sim/chance.h"
#include "sim/invariants.h"

namespace tetrarch::sim {

class PodHost {
 public:
  /// All outlive it.
  struct Parts {
    client::Client& client;
    const Clock& clock;
    History& history;
    Invariants& invariants;
    asio::any_io_executor executor;
  };

  PodHost(Parts parts, std::string machine, std::string address, Chance chance);

  // The machine's life.
  void begin_agent();
  /// Returns when nothing of the agent runs any more; its memory is gone.
  Task<void> end_agent();
  /// All containers end; without its disk the machine knows nothing either. While no agent runs.
  Task<void> power_off(bool loses_disk);

  // The feed.
  void begin_relist();
  void apply(const client::WatchEvent& event);

  void set_cidr(std::string_view cidr);

  /// Ends one container with an error, if any runs; chance says which.
  bool crash_one();

  /// A mistake for the checks to find: stops a container that was to go on.
  bool stop_one();

  /// Uids of the pods of which a container runs.
  std::set<std::string> running() const;

  /// Pods that it has not done with, ended ones apart.
  std::size_t size() const { return workers_.size(); }

 private:
  struct Worker {
    Stored pod;
    agent::Observation seen;  ///< the machine's: outlives the agent
    agent::PodMemory memory;
    DocumentPtr status = nullptr;  ///< as told last; null: not yet by this agent
    std::optional<TimePoint> wake;
    bool is_adopted = false;
  };

  struct Telling {
    Key pod;
    std::string status;
  };

  bool end_one(int code, EndCause cause);
  void take_pod(const Stored& pod);
  void look_at(const std::string& uid);
  void forget_done(const std::string& uid);
  void note_states(Worker& worker);
  void note_state(Worker& worker, views::ContainerView container);
  void tell(const std::string& uid, Worker& worker);
  Task<void> look_later(std::string uid, TimePoint when, std::uint64_t life);
  Task<void> act(std::string uid, agent::Action action, std::uint64_t life);
  Task<void> remove(std::string uid, std::uint64_t life);
  milliseconds duration_of(const agent::Action& action);
  void carry_out(Worker& worker, const agent::Action& action);
  void run_sandbox(Worker& worker, const agent::Action& action);
  void start_container(Worker& worker, const agent::Action& action);
  void stop_container(Worker& worker, const agent::Action& action);
  void exit_container(Worker& worker, const std::string& name, int code, EndCause cause);
  Task<void> finish_later(std::string uid, std::string container, std::string id, seconds after);
  std::string free_address() const;
  Task<void> write_statuses(std::uint64_t life);
  Task<bool> write_batch();
  Task<Result<Stored>> write_on_fresh(Key pod, std::string uid, std::string status);

  const Parts parts_;
  const std::string machine_;
  const std::string address_;
  Chance chance_;
  std::map<std::string, Worker> workers_;  // by uid
  std::string network_;                    // the first three numbers of its pods' addresses
  std::uint64_t made_ = 0;                 // sandboxes and containers
  std::set<std::string> listed_;           // during a relist
  bool is_listing_ = false;
  std::map<std::string, Telling> telling_;  // by uid
  async::Event has_telling_;
  std::uint64_t life_ = 0;                    // changes when an agent ends
  std::unique_ptr<async::TaskGroup> agent_;   // while one runs
  std::unique_ptr<async::TaskGroup> things_;  // what containers do by themselves
};

}  // namespace tetrarch::sim
