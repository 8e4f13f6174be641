// SPDX-License-Identifier: Apache-2.0
#include "reconcile/fleet_reasons.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "reconcile/fleet_labels.h"
#include "reconcile/node_fit.h"
#include "reconcile/node_taints.h"
#include "reconcile/pod_state.h"
#include "unitfile/glob.h"

namespace tetrarch::reconcile {

namespace {

// Source: fleet reference, section 5: a prefix of this length names a machine too.
constexpr std::size_t kShortId = 8;

bool is_machine(const Stored& node) {
  return node.metadata()["labels"][kHasSystemd].string() == "true";
}

std::string words_of(const std::string& key, const std::set<std::string>& values) {
  std::string out;
  for (const auto& value : values) {
    out.append(out.empty() ? "" : " or ").append(key).append("=").append(value);
  }
  return out;
}

/// Metadata that the node does not have, in words; empty: it has all.
std::string missing_metadata(const FleetUnit& unit, const Stored& node) {
  const auto labels = node.metadata()["labels"];
  for (const auto& [key, values] : unit.wanted.metadata) {
    const auto has = labels[metadata_label(key)];
    const bool is_met =
        has.exists() && std::any_of(values.begin(), values.end(), [&](const auto& value) {
          return label_value_of(value) == has.string();
        });
    if (!is_met) {
      return words_of(key, values);
    }
  }
  return "";
}

/// Of a node that does not say its ID, as while its agent has lost systemd, it is not known.
bool is_asked_machine(const Mirror& seen, const FleetUnit& unit, const Stored& node) {
  const auto id = node.metadata()["labels"][kMachineId].string();
  return unit.wanted.machine_id.empty() || id.empty() ||
         id == full_machine_id(seen, unit.wanted.machine_id);
}

/// Whom a unit may not be beside: by its own patterns, and by those of others. Units are not read
/// for it: there are many on a machine, and this is asked whenever one is looked at.
class Conflicts {
 public:
  Conflicts(const FleetView& view, const FleetUnit& unit) : view_(view), unit_(unit) {
    for (const auto pattern : view.links.patterns_in(unit.ns())) {
      if (unitfile::matches_glob(pattern, unit.name())) {
        against_us_.push_back(link_text(UnitLink::pattern, unit.ns(), pattern));
      }
    }
  }

  bool are_none() const { return unit_.wanted.conflicts.empty() && against_us_.empty(); }

  /// A Pod that is not on its way out, of a unit that there is. The names decide for most of them.
  bool has(const Stored& pod) const {
    const auto name = view_.links.unit_of_pod(pod.key);
    if (name.empty() || name == unit_.name() || pod.key.ns != unit_.ns()) {
      return false;
    }
    return (is_against(name) || is_against_us(name)) && is_active(pod) &&
           view_.unit(unit_.ns(), name) != nullptr;
  }

 private:
  bool is_against(std::string_view name) const {
    const auto& patterns = unit_.wanted.conflicts;
    return std::any_of(patterns.begin(), patterns.end(), [&](const auto& pattern) {
      return unitfile::matches_glob(pattern, name);
    });
  }

  bool is_against_us(std::string_view name) const {
    if (against_us_.empty()) {
      return false;
    }
    const Key other{std::string(kFleetUnits), std::string(unit_.ns()), std::string(name)};
    return std::any_of(against_us_.begin(), against_us_.end(), [&](const auto& link) {
      return view_.links.has(link, other);
    });
  }

  const FleetView& view_;
  const FleetUnit& unit_;
  std::vector<std::string> against_us_;
};

/// A unit on that node that may not be with this one. `older_than`: only one that was placed before
/// this Pod; null: any.
std::string conflicting_unit(const FleetView& view,
                             const FleetUnit& unit,
                             std::string_view node,
                             const Stored* older_than) {
  const Conflicts conflicts(view, unit);
  if (conflicts.are_none()) {
    return "";
  }
  for (const auto* pod : view.seen.pods_on(node)) {
    const bool is_older =
        conflicts.has(*pod) &&
        (older_than == nullptr || std::pair(created_at(*pod), pod->key.name) <
                                      std::pair(created_at(*older_than), older_than->key.name));
    if (is_older) {
      return std::string(unit_of(*pod));
    }
  }
  return "";
}

/// A peer that is not on this node, though it is known where else it is, or that it is nowhere.
std::string peer_elsewhere(const FleetView& view, const FleetUnit& unit, std::string_view node) {
  for (const auto& peer : unit.wanted.peers) {
    const auto* stored = view.unit(unit.ns(), peer);
    const auto other = stored == nullptr ? std::nullopt : std::optional(FleetUnit(*stored));
    if (!other || !other->is_wanted()) {
      return fmt::format("its peer {} is not scheduled", peer);
    }
    if (other->wanted.is_global) {
      continue;  // it is wherever it suits
    }
    const auto* pod = live_pod_of(view.seen, *stored);
    if (pod != nullptr && !node_of_pod(*pod).empty() && node_of_pod(*pod) != node) {
      return fmt::format("its peer {} is on another machine", peer);
    }
  }
  return "";
}

/// All of its peers are on that node. A unit that takes a machine from another does not wait there
/// for them.
bool has_peers(const FleetView& view, const FleetUnit& unit, std::string_view node) {
  const auto pods = view.seen.pods_on(node);
  return std::all_of(
      unit.wanted.peers.begin(), unit.wanted.peers.end(), [&](const std::string& peer) {
        return std::any_of(pods.begin(), pods.end(), [&](const Stored* pod) {
          return pod->key.ns == unit.ns() && is_active(*pod) && unit_of(*pod) == peer;
        });
      });
}

/// Why that machine does not do, apart from room on it; empty: it does.
std::string refusal_of(const FleetView& view, const FleetUnit& unit, const Stored& node) {
  if (!is_asked_machine(view.seen, unit, node)) {
    return "is not the machine that MachineID names";
  }
  if (const auto missing = missing_metadata(unit, node); !missing.empty()) {
    return "has no metadata " + missing;
  }
  if (const auto peer = peer_elsewhere(view, unit, node.key.name); !peer.empty()) {
    return "would do, but " + peer;
  }
  if (const auto other = conflicting_unit(view, unit, node.key.name, nullptr); !other.empty()) {
    return fmt::format("runs {}, which conflicts with it", other);
  }
  if (ready_status(node) != "True") {
    return "does not answer";
  }
  if (node.root()["spec"]["unschedulable"].boolean()) {
    return "is cordoned";
  }
  return "";
}

std::string hint_of(const FleetView& view, const FleetUnit& unit) {
  for (const auto& peer : unit.wanted.peers) {
    const auto* stored = view.unit(unit.ns(), peer);
    if (stored == nullptr || !FleetUnit(*stored).is_wanted()) {
      return fmt::format("Load or start {} first.", peer);
    }
  }
  if (!unit.wanted.machine_id.empty()) {
    return fmt::format("It waits for the machine {}.", unit.wanted.machine_id);
  }
  if (!unit.wanted.metadata.empty()) {
    std::string all;
    for (const auto& [key, values] : unit.wanted.metadata) {
      all += (all.empty() ? "" : " and ") + words_of(key, values);
    }
    return fmt::format("It fits a machine with metadata {} that has room.", all);
  }
  return unit.wanted.conflicts.empty() ? "A further machine, or room on one, would help."
                                       : "A further machine would help.";
}

}  // namespace

std::string full_machine_id(const Mirror& seen, std::string_view asked) {
  if (asked.size() < kShortId) {
    return std::string(asked);
  }
  for (const auto* node : seen.list("nodes")) {
    const auto id = node->metadata()["labels"][kMachineId].string();
    if (id.starts_with(asked)) {
      return std::string(id);
    }
  }
  return std::string(asked);
}

UnitPlacement wanted_place(const Mirror& seen, const FleetUnit& unit) {
  const auto& id = unit.wanted.machine_id;
  return {.machine_id = id.empty() ? "" : full_machine_id(seen, id)};
}

/// Source: fleet reference, section 6: MachineID, metadata, peers, conflicts, and then Replaces.
bool may_take(const FleetView& view, const FleetUnit& unit, const Stored& node) {
  const auto document = object::to_document(pod_of_unit(view, unit, wanted_place(view.seen, unit)));
  const NodeFit fit(views::PodSpecView(document->root()["spec"]));
  return fit.wants(node) && fit.bears(node, false) && has_peers(view, unit, node.key.name) &&
         conflicting_unit(view, unit, node.key.name, nullptr).empty();
}

const Stored* live_pod_of(const Mirror& seen, const Stored& unit) {
  const Stored* found = nullptr;
  for (const auto* pod : seen.controlled_by("pods", unit.uid())) {
    const bool is_better =
        is_active(*pod) &&
        (found == nullptr || (node_of_pod(*found).empty() && !node_of_pod(*pod).empty()));
    found = is_better ? pod : found;
  }
  return found;
}

namespace {

/// Whether that unit has the machine, or waits for it to be free.
bool has_taken(const FleetView& view, const FleetUnit& other, const Stored& node) {
  const auto* pod = live_pod_of(view.seen, *other.object);
  if (pod == nullptr || node_of_pod(*pod) == node.key.name) {
    return pod != nullptr;
  }
  return pod->metadata()["annotations"][kTakesFrom].string() == node.key.name &&
         may_take(view, other, node);
}

}  // namespace

std::string reason_to_leave(const FleetView& view, const FleetUnit& unit, const Stored& pod) {
  const auto name = node_of_pod(pod);
  const auto* node = view.seen.get("nodes", "", name);
  if (node == nullptr) {
    return "its machine is gone";
  }
  if (!is_asked_machine(view.seen, unit, *node)) {
    return "this is not the machine that it asks for any more";
  }
  if (const auto missing = missing_metadata(unit, *node); !missing.empty()) {
    return "the machine has no metadata " + missing + " any more";
  }
  if (const auto peer = peer_elsewhere(view, unit, name); !peer.empty()) {
    return peer;
  }
  if (const auto other = conflicting_unit(view, unit, name, &pod); !other.empty()) {
    return fmt::format("it conflicts with {}", other);
  }
  for (const auto& other : replacers_of(view, unit)) {
    if (has_taken(view, other, *node)) {
      return fmt::format("{} takes its place", other.name());
    }
  }
  return "";
}

std::string why_unplaced(const FleetView& view, const FleetUnit& unit, std::string_view scheduler) {
  std::map<std::string, int> counts;
  int machines = 0;
  int others = 0;
  for (const auto* node : view.seen.list("nodes")) {
    if (!is_machine(*node)) {
      ++others;
      continue;
    }
    ++machines;
    const auto refusal = refusal_of(view, unit, *node);
    ++counts[refusal.empty() ? "has not enough room" : refusal];
  }
  if (machines == 0) {
    return fmt::format(
        "there is no machine with systemd{}. Run an agent where a systemd answers on its bus.",
        others == 0 ? "" : fmt::format(": the {} nodes have none", others));
  }
  std::string out = fmt::format("none of {} machines can run it: ", machines);
  for (const auto& [what, count] : counts) {
    out += fmt::format("{}{} {}", &what == &counts.begin()->first ? "" : "; ", count, what);
  }
  out += ". " + hint_of(view, unit);
  const bool is_about_room = counts.contains("has not enough room") && !scheduler.empty();
  return is_about_room ? fmt::format("{} ({})", out, scheduler) : out;
}

}  // namespace tetrarch::reconcile
