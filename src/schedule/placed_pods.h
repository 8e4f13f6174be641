// SPDX-License-Identifier: Apache-2.0
// PlacedPods: the pods that claim something, by uid and by node. Also those that have no node yet,
// but one that is being emptied for them (nominated). Not thread-safe: one strand.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/unordered/unordered_flat_set.hpp>

#include "object/stored.h"
#include "schedule/claim.h"
#include "schedule/nodes.h"
#include "schedule/pod_question.h"

namespace tetrarch::schedule {

/// Of a pod by its root. Source: Kubernetes API reference, PodSpec: none is zero.
std::int32_t priority_of(object::View pod);

/// There is one for every pod of the cluster: small, and nothing in it twice.
struct PlacedPod {
  DocumentPtr document;
  Place place = kNowhere;  ///< kNowhere: its node is not known (yet)
  SharedClaim claim;       ///< never null in one that is kept
  std::vector<PodQuestion> anti_affinity = {};
  std::int32_t priority = 0;
  bool is_nominated = false;  ///< `place` is held for it; it is not there
  bool is_leaving = false;    ///< its eviction is on its way
  // Of the list of all pods with that place; kept by PlacedPods.
  PlacedPod* before = nullptr;
  PlacedPod* after = nullptr;

  object::View root() const { return document->root(); }

  object::View labels() const { return root()["metadata"]["labels"]; }

  std::string_view ns() const { return root()["metadata"]["namespace"].string(); }

  std::string_view uid() const { return root()["metadata"]["uid"].string(); }

  bool is_terminating() const { return root()["metadata"]["deletionTimestamp"].is_string(); }

  /// Empty while the node has not told.
  std::string_view start_time() const { return root()["status"]["startTime"].string(); }
};

/// References and pointers to a pod are good until it is erased.
class PlacedPods {
 public:
  PlacedPods() = default;
  PlacedPods(const PlacedPods&) = delete;
  PlacedPods& operator=(const PlacedPods&) = delete;

  /// Null: there is none.
  PlacedPod* find(std::string_view uid);
  /// In place of the one with that uid, if there is one.
  PlacedPod& put(PlacedPod pod);
  /// Another state of the same pod, which claims the same.
  void renew(PlacedPod& pod, DocumentPtr document);
  void move(PlacedPod& pod, Place place);
  void erase(PlacedPod& pod);

  std::vector<PlacedPod*> at(Place place) const;
  /// Of the pods with that place; the highest there is where there are none.
  std::int32_t lowest_priority(Place place) const;

  std::size_t size() const { return by_uid_.size(); }

  template <class Function>
  void for_each(const Function& function) const {
    for (const auto& pod : by_uid_) {
      function(*pod);
    }
  }

 private:
  /// The pods of a place, and how many have each priority: mostly it is one for all.
  struct Here {
    PlacedPod* first = nullptr;
    std::int32_t priority = 0;
    std::uint32_t count = 0;                                          ///< that have it
    std::vector<std::pair<std::int32_t, std::uint32_t>> others = {};  ///< lowest first

    void add(std::int32_t of);
    void remove(std::int32_t of);
    std::int32_t lowest() const;
  };

  void link(PlacedPod& pod);
  void unlink(PlacedPod& pod);

  /// By uid, which lies in the pod's document.
  struct ByUid {
    using is_transparent = void;

    static std::string_view of(std::string_view uid) { return uid; }

    static std::string_view of(const std::unique_ptr<PlacedPod>& pod) { return pod->uid(); }

    std::size_t operator()(const auto& one) const { return std::hash<std::string_view>()(of(one)); }

    bool operator()(const auto& a, const auto& b) const { return of(a) == of(b); }
  };

  boost::unordered_flat_set<std::unique_ptr<PlacedPod>, ByUid, ByUid> by_uid_;
  std::unordered_map<Place, Here> here_;
};

}  // namespace tetrarch::schedule
