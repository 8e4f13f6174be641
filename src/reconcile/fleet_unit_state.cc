// SPDX-License-Identifier: Apache-2.0
// UnitStates: what each machine says of each unit, as objects of their own. One belongs to a Pod
// and goes with it, so that the state of a unit that is being stopped stays listed until it has
// been. Source: fleet reference, section 3.
#include <array>
#include <utility>

#include "reconcile/child_name.h"
#include "reconcile/edit.h"
#include "reconcile/fleet_labels.h"
#include "reconcile/fleet_pod.h"
#include "reconcile/fleet_unit.h"

namespace tetrarch::reconcile {

namespace {

using object::TreeArray;
using object::TreeObject;

Key state_key(const Stored& pod) {
  return {
      std::string(kFleetUnitStates), pod.key.ns, child_name(pod_prefix(unit_of(pod)), pod.uid())};
}

TreeObject state_object(const Question& asked, const Stored& pod, const UnitReport& report) {
  return {{"apiVersion", "fleet.tetrarch.dev/v1"},
          {"kind", "UnitState"},
          {"metadata",
           TreeObject{{"name", state_key(pod).name},
                      {"namespace", pod.key.ns},
                      {"ownerReferences", TreeArray{controller_reference(pod)}}}},
          {"activeState", report.active},
          {"hash", report.hash},
          {"loadState", report.load},
          {"machineID", machine_of(asked.seen, node_of_pod(pod))},
          {"subState", report.sub},
          {"unit", unit_of(pod)}};
}

void keys_of_pod(const Mirror& /*seen*/, const Observed& change, std::vector<Key>& keys) {
  // Before its machine has loaded it there is no state.
  if (change.after != nullptr && !unit_of(*change.after).empty() && report_of(*change.after)) {
    keys.push_back(change.after->key);
  }
}

class FleetUnitStateController final : public Controller {
 public:
  std::string_view name() const override { return "fleet-unit-state"; }

  std::vector<Watching> watches() const override { return {{"pods", keys_of_pod}}; }

  Plan reconcile(const Question& asked) const override {
    Plan plan;
    const auto* pod = asked.seen.get(asked.key);
    const auto report = pod == nullptr || unit_of(*pod).empty() ? std::nullopt : report_of(*pod);
    if (!report || machine_of(asked.seen, node_of_pod(*pod)).empty()) {
      return plan;
    }
    const auto fresh = state_object(asked, *pod, *report);
    const auto key = state_key(*pod);
    const auto* old = asked.seen.get(key);
    if (old == nullptr) {
      plan.changes.push_back({.verb = Change::Verb::create,
                              .key = key,
                              .document = object::to_document(fresh),
                              .confirm_alive = {.key = pod->key, .uid = std::string(pod->uid())}});
    } else if (differs(*old, fresh)) {
      Edit edit(*old);
      for (const auto field : kFields) {
        edit.root()[field] = fresh.at(field);
      }
      plan.changes.push_back(update_of(*old, edit.document()));
    }
    return plan;
  }

 private:
  static constexpr std::array<std::string_view, 5> kFields = {
      "activeState", "hash", "loadState", "machineID", "subState"};

  static bool differs(const Stored& old, const TreeObject& fresh) {
    for (const auto field : kFields) {
      if (old.root()[field].string() != std::string_view(fresh.at(field).as_string())) {
        return true;
      }
    }
    return false;
  }
};

}  // namespace

std::unique_ptr<Controller> fleet_unit_state_controller() {
  return std::make_unique<FleetUnitStateController>();
}

}  // namespace tetrarch::reconcile
