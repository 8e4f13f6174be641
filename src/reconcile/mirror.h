// SPDX-License-Identifier: Apache-2.0
// Mirror: what the control loops know of the store: every object of the mirrored resources,
// indexed. Fed by control's cache (or by a test), read by the pure controllers. Not thread-safe: it
// belongs to one strand, and controllers only read it within one call, so what a reconcile sees is
// a snapshot.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

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
  std::vector<std::string> resources() const;
  std::size_t count(std::string_view resource) const;

  /// Everything of this resource up to here has been seen.
  Revision revision(std::string_view resource) const;
  /// When we, by our own clock, saw the object's last change; no earlier than observing_since().
  TimePoint seen_at(const Key& key) const;

  TimePoint observing_since() const { return observing_since_; }

 private:
  struct Entry {
    Stored object;
    TimePoint seen;
  };

  using Place = std::pair<std::string, std::string>;  // namespace, name

  struct Table {
    std::map<Place, Entry> entries;
    std::set<Place> uncontrolled;
    Revision revision;
  };

  void index(const Stored& object);
  void unindex(const Stored& object);
  void tell(const Observed& change) const;

  std::map<std::string, Table, std::less<>> tables_;
  std::map<std::string, Key, std::less<>> uids_;
  std::map<std::string, std::set<Key>, std::less<>> dependents_;  // by owner uid
  std::map<std::string, std::set<Key>, std::less<>> pods_;        // by node name
  std::vector<Listener> listeners_;
  TimePoint observing_since_{};
};

}  // namespace tetrarch::reconcile
