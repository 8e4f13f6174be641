// SPDX-License-Identifier: Apache-2.0
// PlacedPods: the pods that claim something, by uid and by node. Not thread-safe: one strand.
#pragma once

#include <string_view>
#include <unordered_map>
#include <vector>

#include "object/stored.h"
#include "schedule/claim.h"
#include "schedule/nodes.h"
#include "schedule/pod_question.h"

namespace tetrarch::schedule {

/// There is one for every pod of the cluster: small, and nothing in it twice.
struct PlacedPod {
  DocumentPtr document;
  Place place = kNowhere;  ///< kNowhere: its node is not known (yet)
  Claim claim = {};
  std::vector<PodQuestion> anti_affinity = {};
  // Of the list of all pods with that place; kept by PlacedPods.
  PlacedPod* before = nullptr;
  PlacedPod* after = nullptr;

  object::View root() const { return document->root(); }

  object::View labels() const { return root()["metadata"]["labels"]; }

  std::string_view ns() const { return root()["metadata"]["namespace"].string(); }

  std::string_view uid() const { return root()["metadata"]["uid"].string(); }

  bool is_terminating() const { return root()["metadata"]["deletionTimestamp"].is_string(); }
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

  std::size_t size() const { return by_uid_.size(); }

  template <class Function>
  void for_each(const Function& function) const {
    for (const auto& [uid, pod] : by_uid_) {
      function(pod);
    }
  }

 private:
  void link(PlacedPod& pod);
  void unlink(PlacedPod& pod);

  std::unordered_map<std::string_view, PlacedPod> by_uid_;  // the key lies in the pod's document
  std::unordered_map<Place, PlacedPod*> first_;             // of the list of each place
};

}  // namespace tetrarch::schedule
