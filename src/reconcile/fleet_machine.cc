// SPDX-License-Identifier: Apache-2.0
// Metadata of machines: what an agent was started with (an annotation of its Node), and what was
// changed since (a Machine object, which outlives the machine), as labels of the Node, by which
// units are placed. Source: fleet reference, sections 1 and 2.
#include <map>
#include <utility>

#include "reconcile/edit.h"
#include "reconcile/fleet_labels.h"
#include "reconcile/fleet_unit.h"
#include "unitfile/machine_metadata.h"

namespace tetrarch::reconcile {

namespace {

constexpr std::string_view kNodes = "nodes";

unitfile::Metadata metadata_of(const Stored& node, const Stored* machine) {
  auto out = unitfile::read_metadata(node.metadata()["annotations"][kStaticMetadata].string());
  if (machine != nullptr) {
    const auto spec = machine->root()["spec"];
    for (const auto key : spec["hidden"].elements()) {
      out.erase(std::string(key.string()));
    }
    for (const auto [key, value] : spec["metadata"].members()) {
      out[std::string(key)] = value.string();
    }
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

void keys_of_node(const Mirror& /*seen*/, const Observed& change, std::vector<Key>& keys) {
  const bool matters =
      change.after != nullptr &&
      (change.before == nullptr ||
       !change.before->metadata()["annotations"].same_as(change.after->metadata()["annotations"]) ||
       !change.before->metadata()["labels"].same_as(change.after->metadata()["labels"]));
  if (matters) {
    keys.push_back(change.after->key);
  }
}

void keys_of_machine(const Mirror& seen, const Observed& change, std::vector<Key>& keys) {
  for (const auto* node : seen.list(kNodes)) {
    if (node->metadata()["labels"][kMachineId].string() == change.any().key.name) {
      keys.push_back(node->key);
    }
  }
}

class FleetMachineController final : public Controller {
 public:
  std::string_view name() const override { return "fleet-machine"; }

  std::vector<Watching> watches() const override {
    return {{std::string(kNodes), keys_of_node}, {std::string(kFleetMachines), keys_of_machine}};
  }

  Plan reconcile(const Question& asked) const override {
    Plan plan;
    const auto* node = asked.seen.get(asked.key);
    if (node == nullptr) {
      return plan;
    }
    const auto id = node->metadata()["labels"][kMachineId].string();
    const auto wanted = labels_for(
        metadata_of(*node, id.empty() ? nullptr : asked.seen.get(kFleetMachines, "", id)));
    Edit edit(*node);
    auto& labels = Edit::object_in(edit.metadata(), "labels");
    bool is_changed = false;
    for (const auto [key, value] : node->metadata()["labels"].members()) {
      if (key.starts_with(kMetadataPrefix) && !wanted.contains(key)) {
        labels.erase(key);
        is_changed = true;
      }
    }
    for (const auto& [key, value] : wanted) {
      const auto has = node->metadata()["labels"][key];
      if (!has.exists() || has.string() != value) {
        labels[key] = value;
        is_changed = true;
      }
    }
    if (is_changed) {
      plan.changes.push_back(update_of(*node, edit.document()));
    }
    return plan;
  }
};

}  // namespace

std::unique_ptr<Controller> fleet_machine_controller() {
  return std::make_unique<FleetMachineController>();
}

}  // namespace tetrarch::reconcile
