// SPDX-License-Identifier: Apache-2.0
// Invariants: what must hold at every moment of a simulation. It is shown each change that the
// journal took and each start and end of a container, in order, and judges by these alone: it asks
// nothing of the code that it watches.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "sim/history.h"
#include "sim/ledger.h"

namespace tetrarch::sim {

/// Why a container ended: by this alone it is judged whether another may follow it.
enum class EndCause : std::uint8_t {
  none,      ///< it runs
  finished,  ///< by itself, well or not
  told,      ///< its agent stopped it for a pod that was to end
  rebooted,  ///< its machine
  unasked,   ///< its agent stopped it though its pod was to go on
};

class Invariants {
 public:
  Invariants(History& history, const Clock& clock) : history_(history), clock_(clock) {}

  void take(const std::vector<Written>& batch);

  // Machines tell of their containers.
  void started(const std::string& machine, const Stored& pod, const std::string& container);
  void ended(const Stored& pod, const std::string& container, EndCause cause);

  // What is a cause for pods to be replaced, besides a change of what owns them.
  void trouble_begins(const std::string& machine);
  void trouble_ends(const std::string& machine);
  /// Somebody asks for that pod to go.
  void asked_for(const Key& pod);

  /// How often the rules were applied: a check of nothing is none.
  std::size_t judged() const { return judged_; }

 private:
  /// Of a pod, what the rules are about.
  struct Pod {
    std::string uid;
    std::string node;
    std::string app;  ///< the label by which all that belongs together is called
    std::int64_t cpu_milli = 0;
    std::int64_t memory_bytes = 0;
    std::vector<std::string> ports = {};
    std::string address = {};
    TimePoint created = {};
    bool is_bare = false;    ///< nothing owns it
    bool is_over = false;    ///< succeeded or failed
    bool is_ending = false;  ///< has a deletionTimestamp
  };

  struct Node {
    std::int64_t cpu_milli = 0;
    std::int64_t memory_bytes = 0;
    std::int64_t pods_max = 0;
    bool is_known = false;
    std::int64_t used_cpu = 0;
    std::int64_t used_memory = 0;
    std::map<std::string, std::string> ports = {};  ///< and the uid that holds each
    std::set<std::string> pods = {};                ///< uids
  };

  /// One container of one pod.
  struct Run {
    std::string machine;
    Key pod;
    EndCause end = EndCause::none;
  };

  static Pod pod_of(object::View root);
  void take_pod(const Written& written);
  void take_node(const Written& written);
  void take_service(const Written& written);
  void take_workload(const Written& written);
  void claim(const Key& key, const Pod& pod);
  void release(const Pod& pod);
  void judge_going(const Key& key, const Pod& pod);
  bool is_troubled(const std::string& node) const;
  void hold(std::map<std::string, Key>& holders, const std::string& what, const Key& holder);
  void drop(std::map<std::string, Key>& holders, const Key& holder);

  History& history_;
  const Clock& clock_;
  std::map<Key, Pod> pods_;
  std::map<std::string, Node> nodes_;
  std::map<std::string, Key> addresses_;  // of pods that are not over
  std::map<std::string, Key> service_ips_;
  std::map<std::string, Key> node_ports_;
  std::map<std::string, Key> settled_;        // apps whose owner says that all is as wanted
  std::map<std::string, TimePoint> removed_;  // when an app was taken away
  std::map<std::string, std::optional<TimePoint>> troubles_;  // none: not over
  std::set<Key> asked_;
  std::map<std::pair<std::string, std::string>, Run> runs_;  // by pod uid and container
  std::map<std::pair<std::string, std::string>, std::set<std::string>> running_;  // by pod
  std::size_t judged_ = 0;
};

}  // namespace tetrarch::sim
