// SPDX-License-Identifier: Apache-2.0
// Source: fleet reference, sections 3 and 6.
#include "reconcile/fleet_unit.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "reconcile/child_name.h"
#include "reconcile/children.h"
#include "reconcile/edit.h"
#include "reconcile/fleet_labels.h"
#include "reconcile/fleet_pod.h"
#include "reconcile/fleet_reasons.h"
#include "reconcile/fleet_status.h"
#include "reconcile/fleet_watching.h"
#include "reconcile/node_fit.h"
#include "reconcile/node_taints.h"
#include "reconcile/pod_state.h"
#include "unitfile/unit_name.h"

namespace tetrarch::reconcile {

namespace {

using object::TreeObject;

/// Ours: an agent says within milliseconds that it has loaded a unit, of a busy server within a
/// second or two; place and state are then one write. Longer than this nobody waits to see the
/// place.
constexpr std::chrono::seconds kWordPatience{3};

/// Nobody will hear from the machine that this Pod ends on: another one need not wait for it.
bool is_on_lost_machine(const Mirror& seen, const Stored& pod) {
  const auto* node = seen.get("nodes", "", node_of_pod(pod));
  return node == nullptr || ready_status(*node) == "Unknown";
}

bool is_better(const Stored* a, const Stored* b) {
  const auto rank = [](const Stored* pod) {
    return std::tuple(node_of_pod(*pod).empty(), created_at(*pod), pod->key.name);
  };
  return rank(a) < rank(b);
}

/// One look at one unit.
class Round {
 public:
  Round(const Question& asked, const UnitLinks& links, const Stored& stored)
      : asked_(asked), view_{asked.seen, links}, unit_(stored) {
    for (const auto* pod : asked.seen.controlled_by("pods", stored.uid())) {
      if (is_active(*pod)) {
        live_.push_back(pod);
      } else if (is_terminating(*pod)) {
        leaving_.push_back(pod);
      } else {
        remove(*pod, "");  // it is over, which no unit is: it is made anew
      }
    }
    std::sort(live_.begin(), live_.end(), is_better);
    const auto heard = std::find_if(leaving_.begin(), leaving_.end(), [&](const Stored* pod) {
      return !is_on_lost_machine(asked.seen, *pod);
    });
    ending_ = heard == leaving_.end() ? nullptr : *heard;
    add_forerunners();
  }

  Plan run() {
    const bool is_template = unitfile::split_name(unit_.name()).is_template();
    if (is_terminating(*unit_.object)) {
      return {};
    }
    if (!unit_.is_wanted() || is_template) {
      for (const auto* pod : live_) {
        remove(*pod, "");
      }
    } else if (unit_.wanted.is_global) {
      care_everywhere();
    } else {
      care();
    }
    if (unit_.wanted.is_global) {
      report_global_unit(unit_, live_, plan_);
    } else if (!awaits_word()) {
      report_unit(view_, unit_, kept_ != nullptr ? kept_ : ending_, asked_.last_failure, plan_);
    }
    return std::move(plan_);
  }

 private:
  /// Whether the Pod has its machine and the agent there is about to say what became of it.
  bool awaits_word() {
    if (kept_ == nullptr || node_of_pod(*kept_).empty() || report_of(*kept_)) {
      return false;
    }
    const auto patience_ends = asked_.seen.seen_at(kept_->key) + kWordPatience;
    if (asked_.now >= patience_ends) {
      return false;
    }
    plan_.look_again_at(patience_ends);
    return true;
  }

  /// Pods of a unit of the same name that was destroyed: a machine has one unit of a name.
  void add_forerunners() {
    const auto link = link_text(UnitLink::pod, unit_.ns(), unit_.name());
    for (const auto& key : view_.links.at(link)) {
      const auto* pod = asked_.seen.get(key);
      if (pod != nullptr && controller_of(*pod).uid() != unit_.object->uid()) {
        leaving_.push_back(pod);
      }
    }
  }

  void care() {
    for (std::size_t i = 1; i < live_.size(); ++i) {
      remove(*live_[i], "it is one too many");
    }
    if (live_.empty()) {
      create_when_free();
      return;
    }
    kept_ = live_.front();
    const auto where = placement_of(*kept_);
    const auto fresh = pod_of_unit(view_, unit_, where);
    if (node_of_pod(*kept_).empty()) {
      if (kept_->metadata()["annotations"][kPlacement].string() !=
          fresh.at("metadata").at("annotations").at(kPlacement).as_string()) {
        remove(*kept_, "it asks for another place");
        return;
      }
    } else if (const auto why = reason_to_leave(view_, unit_, *kept_); !why.empty()) {
      remove(*kept_, why);
      return;
    }
    renew(*kept_, fresh);
  }

  /// Where one that is there was to go; only a Pod that waits may be asked to go elsewhere.
  UnitPlacement placement_of(const Stored& pod) const {
    auto where = wanted_place(asked_.seen, unit_);
    const auto takes = pod.metadata()["annotations"][kTakesFrom].string();
    where.node = may_take_node(takes) ? std::string(takes) : "";
    return where;
  }

  bool may_take_node(std::string_view name) const {
    const auto* node = name.empty() ? nullptr : asked_.seen.get("nodes", "", name);
    return node != nullptr && may_take(view_, unit_, *node);
  }

  void create_when_free() {
    for (const auto* pod : leaving_) {
      if (!is_on_lost_machine(asked_.seen, *pod)) {
        return;  // its end is told of
      }
    }
    auto where = wanted_place(asked_.seen, unit_);
    where.node = replaced_node();
    auto pod = pod_of_unit(view_, unit_, where);
    if (!where.node.empty()) {
      auto& metadata = Edit::object_in(pod, "metadata");
      Edit::object_in(metadata, "annotations")[kTakesFrom] = where.node;
    }
    create(std::move(pod), "");
  }

  /// The machine of the first unit that this one replaces; empty: none has one that suits it.
  std::string replaced_node() const {
    for (const auto& name : unit_.wanted.replaces) {
      const auto* other = view_.unit(unit_.ns(), name);
      const auto* pod = other == nullptr ? nullptr : live_pod_of(asked_.seen, *other);
      if (pod != nullptr && may_take_node(node_of_pod(*pod)) && may_replace(view_, unit_, name)) {
        return std::string(node_of_pod(*pod));
      }
    }
    return "";
  }

  /// A global unit: a Pod for each machine that suits.
  void care_everywhere() {
    const Homes live = homes_of(live_);
    const Homes leaving = homes_of(leaving_);
    for (const auto* node : asked_.seen.list("nodes")) {
      care_on(*node, live, leaving.contains(node->key.name));
    }
    for (const auto& [home, pods] : live) {
      const bool is_there = !home.empty() && asked_.seen.get("nodes", "", home) != nullptr;
      for (const auto* pod : pods) {
        if (!is_there) {
          remove(*pod, "its machine is gone");
        }
      }
    }
  }

  /// Pods of a global unit by where each is or is to be, in the order that they had. There is one
  /// on each machine: who looked through all of them for each machine would do it a million times
  /// on a thousand.
  using Homes = std::map<std::string_view, std::vector<const Stored*>>;

  static Homes homes_of(const std::vector<const Stored*>& pods) {
    Homes out;
    for (const auto* pod : pods) {
      out[named_node(views::PodSpecView(pod->root()["spec"]))].push_back(pod);
    }
    return out;
  }

  void care_on(const Stored& node, const Homes& live, bool is_leaving) {
    const auto fresh = pod_of_unit(view_, unit_, {.node = node.key.name});
    const auto document = object::to_document(fresh);
    const NodeFit fit(views::PodSpecView(document->root()["spec"]));
    const auto found = live.find(node.key.name);
    const Stored* here = found == live.end() ? nullptr : found->second.front();
    for (std::size_t i = 1; here != nullptr && i < found->second.size(); ++i) {
      remove(*found->second[i], "it is one too many");
    }
    const bool suits = fit.wants(node);
    if (here != nullptr && !suits && !is_silent_machine(node)) {
      remove(*here, "the machine does not suit it any more");
    } else if (here != nullptr) {
      renew(*here, fresh);
    } else if (suits && fit.bears(node, false) && !is_leaving) {
      create(fresh, node.key.name);
    }
  }

  void renew(const Stored& pod, const TreeObject& fresh) {
    if (auto document = renewed_pod(pod, fresh)) {
      plan_.changes.push_back(update_of(pod, std::move(document)));
    }
  }

  /// Named by how many there are: who plans on a stale view plans the same name again.
  void create(TreeObject pod, std::string_view node) {
    std::string name;
    int slot = 0;
    do {
      name = child_name(pod_prefix(unit_.name()),
                        fmt::format("{}/{}/{}", unit_.object->uid(), node, slot++));
    } while (asked_.seen.get("pods", unit_.ns(), name) != nullptr);
    Edit::object_in(pod, "metadata")["name"] = name;
    plan_.changes.push_back(pod_creation(*unit_.object, pod));
  }

  void remove(const Stored& pod, std::string_view why) {
    auto change = pod_removal(*unit_.object, pod);
    if (!why.empty()) {
      change.when_done = note_about(
          *unit_.object,
          Note::Type::normal,
          "Unscheduled",
          fmt::format(
              "leaves {}: {}", node_of_pod(pod).empty() ? "the queue" : node_of_pod(pod), why));
    }
    plan_.changes.push_back(std::move(change));
  }

  const Question& asked_;
  const FleetView view_;
  const FleetUnit unit_;
  Plan plan_;
  std::vector<const Stored*> live_;
  std::vector<const Stored*> leaving_;  ///< also of a unit that had the name before
  const Stored* ending_ = nullptr;      ///< of this unit's own, where its machine can still tell
  const Stored* kept_ = nullptr;        ///< of a unit that is not global: the one that counts
};

/// What its units name of each other it learns from the changes that it is told of anyway: with
/// 10,000 units, nobody looks through all of them for one.
class FleetUnitController final : public Controller {
 public:
  std::string_view name() const override { return "fleet-unit"; }

  std::vector<Watching> watches() const override {
    const auto units = [links = links_](const Mirror& seen, const Observed& change, auto& keys) {
      links->note(change);
      keys_of_unit({seen, *links}, change, keys);
    };
    const auto pods = [links = links_](const Mirror& seen, const Observed& change, auto& keys) {
      if (const auto name = unit_of(change.any()); !name.empty()) {
        links->note_pod(change, name);
      }
      keys_of_unit_pod({seen, *links}, change, keys);
    };
    const auto nodes = [links = links_](const Mirror& seen, const Observed& change, auto& keys) {
      keys_of_unit_node({seen, *links}, change, keys);
    };
    return {{std::string(kFleetUnits), units}, {"pods", pods}, {"nodes", nodes}};
  }

  Plan reconcile(const Question& asked) const override {
    const auto* stored = asked.seen.get(asked.key);
    return stored == nullptr || stored->key.resource != kFleetUnits
               ? Plan{}
               : Round(asked, *links_, *stored).run();
  }

 private:
  /// Shared with the functions that watches() gives out.
  const std::shared_ptr<UnitLinks> links_ = std::make_shared<UnitLinks>();
};

}  // namespace

std::unique_ptr<Controller> fleet_unit_controller() {
  return std::make_unique<FleetUnitController>();
}

}  // namespace tetrarch::reconcile
