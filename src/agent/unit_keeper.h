// SPDX-License-Identifier: Apache-2.0
// UnitKeeper: all systemd units of this node, beside the workers of its container pods. One task
// goes in rounds: it learns what systemd tells of, decides for every unit (unit_plan.h) and carries
// the steps out, all loads before one reload, and that before any start. A unit that fails waits
// alone.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/event_recorder.h"
#include "agent/grants.h"
#include "agent/node.h"
#include "agent/objects.h"
#include "agent/status_writer.h"
#include "agent/systemd/systemd.h"
#include "agent/unit_files.h"
#include "agent/unit_pod.h"
#include "async/io_pool.h"
#include "async/task_group.h"
#include "async/timer.h"
#include "base/clock.h"
#include "client/client.h"

namespace tetrarch::agent {

class UnitKeeper {
 public:
  /// All outlive it.
  struct Parts {
    client::Client& client;
    const Objects& objects;
    StatusWriter& statuses;
    EventRecorder& events;
    async::BlockingPool& blocking;
    async::TaskGroup& tasks;
    const Clock& clock;
    systemd::Connect connect = {};  ///< empty: this node is to use no systemd
    std::string bus = {};           ///< what it connects to, for what is done after this process
    std::filesystem::path directory = {};
    std::string host_ip = {};
    std::function<void()> on_systemd = {};   ///< systemd() says something else now
    std::function<void()> on_finished = {};  ///< a Pod has left
  };

  explicit UnitKeeper(Parts parts);

  // Used on the agent's strand, like everything here.

  /// A Pod of class systemd, or a newer state of it.
  void take(const Stored& pod);
  /// The API has no Pod of that name any more, or another one.
  void lose(const Key& key, std::string_view present_uid);

  /// Owned by a TaskGroup.
  Task<void> run();

  /// For the Node.
  const SystemdState& systemd() const { return state_; }

  /// Null: no unit of that Pod is here.
  const UnitPod* find(const std::string& uid) const;
  /// What its Pods have reserved together.
  Room reserved() const;

  /// The machine goes: nothing is started any more, all units are stopped and unloaded.
  void end_all(std::chrono::seconds grace);
  /// Nothing of any unit is left here, and the server knows.
  bool is_empty() const;

  /// The machine stays after all.
  void stay() { leaving_.reset(); }

 private:
  using Unit = std::shared_ptr<UnitPod>;  // shared with the deletions under way
  using Units = std::vector<Unit>;

  // unit_keeper.cc
  Task<void> adopt();
  void adopt_note(const UnitNote& note);
  void take_orphans();
  Task<void> connect();
  void note_lost();
  void refuse(UnitPod& unit, Reason why);
  void check_refusals(UnitPod& unit);
  void apply_wish(UnitPod& unit);
  void report();
  void report_one(UnitPod& unit);
  EventSubject subject(const UnitPod& unit) const;
  std::chrono::nanoseconds time_to_wait() const;

  // unit_rounds.cc
  Task<bool> round();
  Task<Status> refresh();
  Task<Status> look_at(Units units);
  void note_state(UnitPod& unit, const systemd::UnitState& state);
  void note_stopped(UnitPod& unit);
  std::map<UnitStep, Units> decide();
  void find_holders();
  Task<void> write_notes();
  Task<Status> load_and_unload(Units unloads, Units loads);
  Task<Status> unload(UnitPod& unit);
  Task<Status> load(UnitPod& unit);
  Task<Status> check_own(const UnitPod& unit);
  Task<Status> find_own(UnitPod& unit);
  Task<void> stop(UnitPod& unit);
  Task<void> start(UnitPod& unit);
  Task<void> kill(UnitPod& unit);
  void finish_ended();
  Task<void> remove_from_api(Unit unit);
  void fail(UnitPod& unit, Reason why);

  Parts with_;
  UnitFiles files_;
  std::map<std::string, Unit> units_;          ///< by uid
  std::map<std::string, UnitNote> orphans_;    ///< by uid: placed by an earlier process, no Pod yet
  std::shared_ptr<systemd::Systemd> systemd_;  ///< null: not connected; shared with calls
  SystemdState state_;
  bool was_tried_ = false;               ///< whether there is a systemd is known
  bool was_reached_ = false;             ///< by this process
  std::set<std::string> changed_units_;  ///< told by signals since the last look
  bool is_all_changed_ = true;
  std::optional<std::chrono::seconds> leaving_ = {};
  async::Event changed_;
};

}  // namespace tetrarch::agent
