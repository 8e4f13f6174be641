// SPDX-License-Identifier: Apache-2.0
// Mirror: what the control loops know of the store: every object of the mirrored resources,
// indexed. Fed by control's cache (or by a test), read by the pure controllers. Not thread-safe: it
// belongs to one strand, and controllers only read it within one call, so what a reconcile sees is
// a snapshot.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/container/btree_set.h>
#include <boost/unordered/unordered_flat_set.hpp>

#include "base/clock.h"
#include "object/stored.h"

namespace tetrarch::reconcile {

/// One change of the mirror. `before` is null when the object appeared, `after` when it is gone;
/// never both.
struct Observed {
  const Stored* before = nullptr;
  const Stored* after = nullptr;

  const Stored& any() const { return after != nullptr ? *after : *before; }
};

class Mirror {
 public:
  using Listener = std::function<void(const Observed&)>;

  /// Called after every change; the pointers are good only during the call.
  void listen(Listener listener);

  // Writing. Changes that are older than what is known are ignored.
  void put(const Stored& object, TimePoint now);
  /// `last` carries the deletion's revision.
  void erase(const Stored& last);
  /// The whole resource as listed at `revision`: what is not among `items` is gone.
  void replace(std::string_view resource,
               const std::vector<Stored>& items,
               Revision revision,
               TimePoint now);
  /// A bookmark: everything up to `revision` has been seen.
  void advance(std::string_view resource, Revision revision);

  /// Its agent's connection gave a sign at that time.
  void hear(std::string_view node, TimePoint time);

  /// We were away (stopped, suspended): silence before `now` says nothing about others.
  void forget_silence(TimePoint now) { observing_since_ = now; }

  // Reading. Pointers are good until the next change.
  const Stored* get(const Key& key) const;
  const Stored* get(std::string_view resource, std::string_view ns, std::string_view name) const;
  /// In order of namespace and name; `ns` empty: all namespaces.
  std::vector<const Stored*> list(std::string_view resource, std::string_view ns = "") const;
  const Stored* by_uid(std::string_view uid) const;
  /// Objects of any resource that name this uid in metadata.ownerReferences, in key order.
  std::vector<const Stored*> owned_by(std::string_view uid) const;
  /// The same, of one resource and with the reference marked as controller.
  std::vector<const Stored*> controlled_by(std::string_view resource, std::string_view uid) const;
  /// Objects of a resource in a namespace that no reference marks as controlled: what a selector
  /// may adopt.
  std::vector<const Stored*> uncontrolled(std::string_view resource, std::string_view ns) const;
  /// Pods by spec.nodeName.
  std::vector<const Stored*> pods_on(std::string_view node) const;
  /// Every spec.nodeName that some Pod has, in order; the node itself may not be there.
  std::vector<std::string_view> nodes_with_pods() const;
  /// Pods that are being deleted or have finished, in key order.
  std::vector<const Stored*> ending_pods() const;
  std::vector<std::string> resources() const;
  std::size_t count(std::string_view resource) const;

  /// Everything of this resource up to here has been seen.
  Revision revision(std::string_view resource) const;
  /// When we, by our own clock, saw the object's last change; no earlier than observing_since().
  TimePoint seen_at(const Key& key) const;

  /// The last sign from a node's agent over its connection; empty: none since observing_since().
  std::optional<TimePoint> heard_at(std::string_view node) const;
  /// The nodes of which there is such a sign, with its time, in order of name.
  std::vector<std::pair<std::string_view, TimePoint>> heard_nodes() const;

  TimePoint observing_since() const { return observing_since_; }

 private:
  /// Stays where it is: every index points here.
  struct Entry {
    Stored object;
    TimePoint seen;
  };

  struct Place {
    std::string_view ns;
    std::string_view name;
    auto operator<=>(const Place&) const = default;
  };

  /// By namespace and name.
  struct ByPlace {
    using is_transparent = void;

    static Place of(const Place& place) { return place; }

    static Place of(const auto& entry) { return {entry->object.key.ns, entry->object.key.name}; }

    bool operator()(const auto& a, const auto& b) const { return of(a) < of(b); }
  };

  struct ByKey {
    bool operator()(const Entry* a, const Entry* b) const { return a->object.key < b->object.key; }
  };

  /// By uid, which lies in the entry's document.
  struct ByUid {
    using is_transparent = void;

    static std::string_view of(std::string_view uid) { return uid; }

    static std::string_view of(const Entry* entry) { return entry->object.uid(); }

    std::size_t operator()(const auto& one) const { return std::hash<std::string_view>()(of(one)); }

    bool operator()(const auto& a, const auto& b) const { return of(a) == of(b); }
  };

  // B-trees and open addressing: there may be 100,000 objects, and a node of std::set takes 48
  // bytes where these take about 11.
  struct Table {
    absl::btree_set<std::unique_ptr<Entry>, ByPlace> entries;
    absl::btree_set<const Entry*, ByPlace> uncontrolled;
    Revision revision;
  };

  using Entries = absl::btree_set<const Entry*, ByKey>;
  using EntriesBy = std::map<std::string, Entries, std::less<>>;

  void index(Table& table, const Entry& entry);
  void unindex(Table& table, const Entry& entry);
  /// What a change may have moved although uid and owners are the same.
  void index_again(const Entry& entry, const Stored& before);
  void tell(const Observed& change) const;
  static void erase_from(EntriesBy& index, std::string_view at, const Entry& entry);
  static std::vector<const Stored*> entries_at(const EntriesBy& index, std::string_view at);

  std::map<std::string, Table, std::less<>> tables_;
  boost::unordered_flat_set<const Entry*, ByUid, ByUid> uids_;
  EntriesBy dependents_;                                 // by owner uid
  EntriesBy pods_;                                       // by node name
  Entries ending_;                                       // Pods
  std::map<std::string, TimePoint, std::less<>> heard_;  // by node name
  std::vector<Listener> listeners_;
  TimePoint observing_since_{};
};

}  // namespace tetrarch::reconcile
