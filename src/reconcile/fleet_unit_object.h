// SPDX-License-Identifier: Apache-2.0
// A Unit of fleet as the controllers read it, and what it names of other units. Values.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "object/stored.h"
#include "reconcile/mirror.h"
#include "unitfile/requirements.h"

namespace tetrarch::reconcile {

struct FleetUnit {
  explicit FleetUnit(const Stored& stored);

  std::string_view name() const { return object->key.name; }

  std::string_view ns() const { return object->key.ns; }

  bool is_wanted() const { return desired != "inactive"; }

  std::string text() const { return unitfile::canonical_text(options); }

  const Stored* object;  ///< outlives it
  unitfile::Options options;
  unitfile::Requirements wanted;
  std::string_view desired;  ///< inactive, loaded or launched
  std::int64_t restarts = 0;
};

// What one unit names in [X-Fleet]: how others find it.
enum class UnitLink : std::uint8_t {
  peer,      ///< MachineOf: a unit's name
  replaced,  ///< Replaces: a unit's name
  pattern,   ///< Conflicts: a pattern
  machine,   ///< MachineID: anything; namespace and name are empty
  global,    ///< the same
  pod,       ///< of Pods: the unit that they are
  taken,     ///< of Pods: the node that they take from another unit; the namespace is empty
};

/// The text of a link of a unit in that namespace.
std::string link_text(UnitLink link, std::string_view ns, std::string_view name = "");

/// Units by what they name, and Pods by their unit's name. It follows what it is told of, and knows
/// nothing else.
class UnitLinks {
 public:
  /// A unit came, changed or went.
  void note(const Observed& change);
  /// The same for a Pod that is the unit of that name.
  void note_pod(const Observed& change, std::string_view unit);
  /// In the order of their keys.
  std::vector<Key> at(const std::string& link) const;
  std::size_t count(const std::string& link) const;
  bool has(const std::string& link, const Key& key) const;
  /// The unit that a Pod is, without reading the Pod; empty: it is none.
  std::string_view unit_of_pod(const Key& pod) const;
  /// All patterns of Conflicts= that any unit of the namespace has. Good until the next note().
  std::vector<std::string_view> patterns_in(std::string_view ns) const;

 private:
  void note_taken(const Stored* pod, bool is_there);

  std::map<std::string, std::set<Key>, std::less<>> keys_;
  std::unordered_map<Key, std::string, KeyHash> units_;  // by their Pods
};

/// All that is known when a unit is looked at. `links` is about the same units as `seen`.
struct FleetView {
  const Mirror& seen;
  const UnitLinks& links;

  const Stored* unit(std::string_view ns, std::string_view name) const;
};

/// The live units of the namespace that take this one's machine. Units that replace each other,
/// also by way of others, do not: none of them would come to rest.
std::vector<FleetUnit> replacers_of(const FleetView& view, const FleetUnit& unit);
bool may_replace(const FleetView& view, const FleetUnit& unit, std::string_view other);

}  // namespace tetrarch::reconcile
