// SPDX-License-Identifier: Apache-2.0
// Metadata of machines: what an agent was started with (an annotation of its Node), and what was
// changed since (a Machine object, which outlives the machine), as labels of the Node, by which
// units are placed. Source: fleet reference, sections 1 and 2. Of two machines with one ID, the
// younger runs no units: nobody could say which of them is meant.
#include <map>
#include <memory>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "reconcile/edit.h"
#include "reconcile/fleet_labels.h"
#include "reconcile/fleet_unit.h"
#include "reconcile/node_taints.h"
#include "unitfile/machine_metadata.h"

namespace tetrarch::reconcile {

namespace {

constexpr std::string_view kNodes = "nodes";

unitfile::Metadata metadata_of(const Stored& node, const Stored* machine) {
  auto out = unitfile::read_metadata(node.metadata()["annotations"][kStaticMetadata].string());
  if (machine != nullptr) {
    unitfile::lay_over(unitfile::read_overlay(machine->root()), out);
  }
  return out;
}

std::map<std::string, std::string, std::less<>> labels_for(const unitfile::Metadata& metadata) {
  std::map<std::string, std::string, std::less<>> out;
  for (const auto& [key, value] : metadata) {
    out[metadata_label(key)] = label_value_of(value);
  }
  return out;
}

std::string_view id_of(const Stored& node) {
  return node.metadata()["labels"][kMachineId].string();
}

bool is_ready(const Stored& node) {
  return ready_status(node) == "True";
}

bool is_older(const Stored& a, const Stored& b) {
  const auto age = [](const Stored& node) {
    return std::pair(node.metadata()["creationTimestamp"].string(),
                     std::string_view(node.key.name));
  };
  return age(a) < age(b);
}

/// Nodes by their machine ID: of thousands, those that share one are found without a look at all.
/// It follows what it is told of, and knows nothing else.
class MachineIds {
 public:
  /// A node came, changed or went.
  void note(const Observed& change) {
    for (const auto* node : {change.before, change.after}) {
      const auto known = node == nullptr ? keys_.end() : keys_.find(id_of(*node));
      if (known != keys_.end() && known->second.erase(node->key) > 0 && known->second.empty()) {
        keys_.erase(known);
      }
    }
    if (change.after != nullptr && !id_of(*change.after).empty()) {
      keys_[std::string(id_of(*change.after))].insert(change.after->key);
    }
  }

  /// In the order of their keys.
  const std::set<Key>& at(std::string_view id) const {
    static const std::set<Key> kNone;
    const auto found = keys_.find(id);
    return found == keys_.end() ? kNone : found->second;
  }

 private:
  std::map<std::string, std::set<Key>, std::less<>> keys_;
};

/// The oldest that is ready and has the same machine ID; null: it is this one, or alone.
const Stored* elder_of(const Mirror& seen, const MachineIds& ids, const Stored& node) {
  const Stored* oldest = &node;
  for (const auto& key : ids.at(id_of(node))) {
    const auto* other = seen.get(key);
    if (other != nullptr && is_ready(*other) && is_older(*other, *oldest)) {
      oldest = other;
    }
  }
  return oldest == &node ? nullptr : oldest;
}

/// Others of the same machine ID, where this one comes to count among them or ceases to.
void keys_of_twins(const MachineIds& ids, const Observed& change, std::vector<Key>& keys) {
  const auto counts_as = [](const Stored* node) {
    return node != nullptr && is_ready(*node) ? id_of(*node) : std::string_view();
  };
  const auto before = counts_as(change.before);
  const auto after = counts_as(change.after);
  if (before == after) {
    return;
  }
  for (const auto id : {before, after}) {
    for (const auto& key : ids.at(id)) {
      if (key.name != change.any().key.name) {
        keys.push_back(key);
      }
    }
  }
}

void keys_of_node(const MachineIds& ids, const Observed& change, std::vector<Key>& keys) {
  const bool matters =
      change.after != nullptr &&
      (change.before == nullptr ||
       !change.before->metadata()["annotations"].same_as(change.after->metadata()["annotations"]) ||
       !change.before->metadata()["labels"].same_as(change.after->metadata()["labels"]));
  if (matters) {
    keys.push_back(change.after->key);
  }
  keys_of_twins(ids, change, keys);
}

/// Also of a node whose agent has no systemd, or has lost it for a moment.
std::string_view overlay_id_of(const Stored& node) {
  const auto told = id_of(node);
  return told.empty() ? node.root()["status"]["nodeInfo"]["machineID"].string() : told;
}

/// Whether anything changed. Of a node that does not say its ID it is not known what was laid over
/// its metadata: what its labels say of that stays until it does.
bool take_labels(const Stored& node, const Stored* machine, Edit& edit) {
  const auto wanted = labels_for(metadata_of(node, machine));
  const bool is_known = !overlay_id_of(node).empty();
  auto& labels = Edit::object_in(edit.metadata(), "labels");
  bool is_changed = false;
  for (const auto [key, value] : node.metadata()["labels"].members()) {
    if (is_known && key.starts_with(kMetadataPrefix) && !wanted.contains(key)) {
      labels.erase(key);
      is_changed = true;
    }
  }
  for (const auto& [key, value] : wanted) {
    const auto has = node.metadata()["labels"][key];
    if (!has.exists() || (is_known && has.string() != value)) {
      labels[key] = value;
      is_changed = true;
    }
  }
  return is_changed;
}

/// The same; `elder` null: the machine's ID is its own.
bool take_elder(const Stored& node, const Stored* elder, Edit& edit) {
  const auto told = node.metadata()["annotations"][kSameMachineId].string();
  const std::string_view name = elder == nullptr ? "" : std::string_view(elder->key.name);
  const bool runs_units = node.metadata()["labels"][kHasSystemd].exists();
  if (told == name && (elder == nullptr || !runs_units)) {
    return false;
  }
  auto& annotations = Edit::object_in(edit.metadata(), "annotations");
  if (elder == nullptr) {
    annotations.erase(kSameMachineId);  // its agent says again that there is a systemd
    return true;
  }
  annotations[kSameMachineId] = name;
  Edit::object_in(edit.metadata(), "labels").erase(kHasSystemd);
  return true;
}

Note note_of_twin(const Stored& node, const Stored& elder) {
  return note_about(node,
                    Note::Type::warning,
                    "DuplicateMachineID",
                    fmt::format("it runs no units: node {} has the same machine ID {}; write "
                                "another one to /etc/machine-id",
                                elder.key.name,
                                id_of(node)));
}

class FleetMachineController final : public Controller {
 public:
  std::string_view name() const override { return "fleet-machine"; }

  std::vector<Watching> watches() const override {
    const auto nodes = [ids = ids_](const Mirror&, const Observed& change, auto& keys) {
      ids->note(change);
      keys_of_node(*ids, change, keys);
    };
    const auto machines = [ids = ids_](const Mirror&, const Observed& change, auto& keys) {
      const auto& found = ids->at(change.any().key.name);
      keys.insert(keys.end(), found.begin(), found.end());
    };
    return {{std::string(kNodes), nodes}, {std::string(kFleetMachines), machines}};
  }

  Plan reconcile(const Question& asked) const override {
    Plan plan;
    const auto* node = asked.seen.get(asked.key);
    if (node == nullptr) {
      return plan;
    }
    const auto id = overlay_id_of(*node);
    const auto* machine = id.empty() ? nullptr : asked.seen.get(kFleetMachines, "", id);
    const auto* elder = elder_of(asked.seen, *ids_, *node);
    Edit edit(*node);
    const bool has_labels = take_labels(*node, machine, edit);
    const bool has_elder = take_elder(*node, elder, edit);
    if (has_labels || has_elder) {
      auto change = update_of(*node, edit.document());
      if (has_elder && elder != nullptr) {
        change.when_done = note_of_twin(*node, *elder);
      }
      plan.changes.push_back(std::move(change));
    }
    return plan;
  }

 private:
  // The watches note in it what they see; shared with them, as FleetUnitController's links are.
  const std::shared_ptr<MachineIds> ids_ = std::make_shared<MachineIds>();
};

}  // namespace

std::unique_ptr<Controller> fleet_machine_controller() {
  return std::make_unique<FleetMachineController>();
}

}  // namespace tetrarch::reconcile
