// SPDX-License-Identifier: Apache-2.0
// Cluster: what the scheduler knows, and its one decision: where does this pod go? Pure: told of
// nodes and pods by its caller (control's scheduler loop, a test, the simulator, a what-if
// question). Not thread-safe: one strand.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "object/stored.h"
#include "schedule/placed_pods.h"
#include "schedule/pod_class.h"

namespace tetrarch::schedule {

struct Decision {
  NodeName node;            ///< empty: it fits nowhere
  Explanation explanation;  ///< then, why

  bool is_placed() const { return !node.text.empty(); }
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

  /// Chooses a node and claims it for the pod at once, so that the next decision sees it. A claim
  /// that the pod has from before is given back first.
  Decision place(const Stored& pod);
  /// Takes a claim back that place() made: the commit was refused. A pod that was seen bound since
  /// stays.
  void forget(std::string_view uid);

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
    std::list<std::string>::iterator age;  // place in ages_
  };

  PodClass& class_of(const Stored& pod);
  /// The decision about a pod that only one node is good for.
  Decision place_at(const Stored& pod, Place wanted, PodClass& like);
  std::string signature(const Stored& pod) const;
  void put(const Stored& pod, Place place, Claim claim);
  void log_change(Place place);

  Interner texts_;
  Dimensions dimensions_;
  Nodes nodes_;
  PlacedPods pods_;
  PodCounts counts_;
  std::unordered_map<std::string, Living> classes_;  // by signature
  std::list<std::string> ages_;                      // signatures, least recently used first
  ChangeLog log_;
  std::uint64_t room_version_ = 0;
};

}  // namespace tetrarch::schedule
