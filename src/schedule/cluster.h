// SPDX-License-Identifier: Apache-2.0
// Cluster: what the scheduler knows, and its two decisions: where does this pod go, and who makes
// room for it if it fits nowhere? Pure: told of nodes and pods by its caller (control's scheduler
// loop, a test, the simulator, a what-if question). Not thread-safe: one strand.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "object/stored.h"
#include "schedule/budgets.h"
#include "schedule/placed_pods.h"
#include "schedule/pod_class.h"
#include "schedule/victim_search.h"

namespace tetrarch::schedule {

struct Decision {
  NodeName node = {};            ///< empty: it fits nowhere
  Explanation explanation = {};  ///< then, why; empty for one that awaits its room
  NodeName held = {};  ///< it fits here, once the pods that end here are gone; empty: it does not

  bool is_placed() const { return !node.text.empty(); }

  bool awaits_room() const { return !held.text.empty(); }
};

/// Room for a pod that fits nowhere, at the cost of less important pods.
struct Room {
  NodeName node = {};                       ///< empty: there is none to be made
  std::string text = {};                    ///< then, why; may be empty
  bool is_free = false;                     ///< only nominations were in the way: the pod is placed
  std::vector<std::string> victims = {};    ///< uids of those to evict, the most important first
  std::vector<std::string> displaced = {};  ///< uids of those whose nomination this ends
};

class Cluster {
 public:
  static constexpr std::size_t kClassesMax = 256;

  Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  void upsert_node(const Stored& node);
  void remove_node(std::string_view name);
  /// Any pod: a placed one claims, a finished one releases, a waiting one is not kept.
  void upsert_pod(const Stored& pod);
  void remove_pod(std::string_view uid);
  void upsert_budget(const Stored& budget);
  void remove_budget(const Key& key);

  /// Chooses a node and claims it for the pod at once, so that the next decision sees it. A claim
  /// that the pod has from before is given back first.
  Decision place(const Stored& pod);
  /// Takes a claim back that place() made: the commit was refused. A pod that was seen bound since
  /// stays.
  void forget(std::string_view uid);

  /// For a pod that place() has just refused. A node that is chosen is held for it: its victims
  /// count as leaving from now on, and no pod that is not more important gets what they leave.
  Room make_room(const Stored& pod);
  /// A victim is not evicted after all.
  void spare(std::string_view uid);
  /// Holds the room of a waiting pod that was nominated before our time, as its status tells.
  void nominate(const Stored& pod);
  /// Whether room is held for the pod, which has no node.
  bool is_nominated(std::string_view uid);
  /// Why it fits nowhere, for one that awaits its room.
  Explanation explain(const Stored& pod);

  /// Grows with every change that may let a waiting pod fit: a node came or changed, a pod left, a
  /// pod came that others count.
  std::uint64_t room_version() const { return room_version_; }

  std::size_t node_count() const { return nodes_.count(); }

  std::size_t class_count() const { return classes_.size(); }

  std::size_t placed_count() const { return pods_.size(); }

  /// All classes are built anew when they are next asked; for tests: nothing is decided otherwise.
  void forget_classes();

  /// Free amount of a resource on a node; for tests and reports.
  std::int64_t free(std::string_view node, std::string_view resource);

 private:
  struct Living {
    std::unique_ptr<PodClass> value;
    std::map<std::int32_t, VictimSearch> searches;  // by priority
    std::list<std::string>::iterator age;           // place in ages_
  };

  /// Searches of one class that are kept, for as many priorities.
  static constexpr std::size_t kSearchesMax = 16;

  Living& living(const Stored& pod);

  PodClass& class_of(const Stored& pod) { return *living(pod).value; }

  VictimSearch& search_of(const Stored& pod);
  Decision place_anew(const Stored& pod);
  Decision place_nominee(const Stored& pod, Place held);
  Room take_room(const Stored& pod, const Candidate& found);
  /// The decision about a pod that only one node is good for.
  Decision place_at(const Stored& pod, Place wanted, PodClass& like);
  std::string signature(const Stored& pod) const;
  PlacedPod& put(const Stored& pod, Place place, SharedClaim claim, bool is_nominated = false);
  SharedClaim shared(Claim claim);
  void take_off(PlacedPod& pod);
  void log_change(Place place);

  Interner texts_;
  Dimensions dimensions_;
  Nodes nodes_;
  PlacedPods pods_;
  PodCounts counts_;
  SharedClaim last_claim_;  // that was asked for
  Budgets budgets_;
  std::unordered_map<std::string, Living> classes_;  // by signature
  std::list<std::string> ages_;                      // signatures, least recently used first
  ChangeLog log_;
  std::uint64_t room_version_ = 0;
};

}  // namespace tetrarch::schedule
