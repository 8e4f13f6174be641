// SPDX-License-Identifier: Apache-2.0
// Source: fleet reference, section 3: currentState is what the machine was last asked for, not
// whether the unit does well.
#include "reconcile/fleet_status.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "reconcile/children.h"
#include "reconcile/edit.h"
#include "reconcile/fleet_labels.h"
#include "reconcile/fleet_pod.h"
#include "reconcile/fleet_reasons.h"
#include "reconcile/pod_state.h"

namespace tetrarch::reconcile {

namespace {

using object::TreeObject;

constexpr std::string_view kUnschedulable = "Unschedulable";
constexpr std::string_view kFailedCreate = "FailedCreate";  // a quota, a limit range

void set_text(TreeObject& into, std::string_view name, std::string_view text) {
  if (text.empty()) {
    into.erase(name);
  } else {
    into[name] = text;
  }
}

/// What the scheduler says of a Pod that fits nowhere; nothing: it has not said so.
std::optional<std::string_view> refused_by_scheduler(const Stored& pod) {
  for (const auto condition : pod.root()["status"]["conditions"].elements()) {
    if (condition["type"].string() == "PodScheduled" && condition["status"].string() == "False") {
      return condition["message"].string();
    }
  }
  return std::nullopt;
}

void write_report(TreeObject& status, const std::optional<UnitReport>& report) {
  set_text(status, "loadState", report ? report->load : "");
  set_text(status, "activeState", report ? report->active : "");
  set_text(status, "subState", report ? report->sub : "");
  set_count(status, "restarts", report ? report->restarts : 0);
}

std::string_view state_of(const std::optional<UnitReport>& report) {
  return !report ? "inactive" : report->is_launched ? "launched" : "loaded";
}

/// The event that tells of the new status; nothing: it is nothing new to anybody.
std::optional<Note> note_of(const FleetUnit& unit, const TreeObject& status) {
  const auto before = unit.object->root()["status"];
  const auto text = [&](std::string_view name) {
    const auto* value = status.if_contains(name);
    return value == nullptr ? std::string_view() : std::string_view(value->as_string());
  };
  const auto is_new = [&](std::string_view name) { return text(name) != before[name].string(); };
  if (text("reason") == kUnschedulable && is_new("message")) {
    return note_about(
        *unit.object, Note::Type::warning, kUnschedulable, std::string(text("message")));
  }
  if (is_new("activeState") && text("activeState") == "failed") {
    return note_about(
        *unit.object,
        Note::Type::warning,
        "Failed",
        fmt::format("systemd on {} says failed/{}", text("nodeName"), text("subState")));
  }
  if (!is_new("currentState")) {
    return std::nullopt;
  }
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kReasons = {
      {{"inactive", "Unloaded"}, {"loaded", "Loaded"}, {"launched", "Launched"}}};
  for (const auto& [state, reason] : kReasons) {
    if (state == text("currentState")) {
      return note_about(*unit.object,
                        Note::Type::normal,
                        reason,
                        text("nodeName").empty()
                            ? std::string(state)
                            : fmt::format("{} on {}", state, text("nodeName")));
    }
  }
  return std::nullopt;
}

void write_status(const FleetUnit& unit, TreeObject status, Plan& plan) {
  status["observedGeneration"] = unit.object->metadata()["generation"].integer();
  auto note = note_of(unit, status);
  const auto count = plan.changes.size();
  report_status(*unit.object, std::move(status), &plan);
  if (plan.changes.size() > count) {
    plan.changes.back().when_done = std::move(note);
  }
}

TreeObject status_of(const FleetUnit& unit) {
  const auto status = unit.object->root()["status"];
  return status.is_object() ? object::to_tree(status).as_object() : TreeObject();
}

/// How bad a state of systemd is; the worst of all machines is what a global unit shows.
int badness(std::string_view active) {
  constexpr std::array<std::string_view, 6> kFromBest = {
      "active", "reloading", "activating", "deactivating", "inactive", "failed"};
  for (std::size_t i = 0; i < kFromBest.size(); ++i) {
    if (kFromBest[i] == active) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

}  // namespace

void report_unit(const FleetView& view,
                 const FleetUnit& unit,
                 const Stored* pod,
                 std::string_view failure,
                 Plan& plan) {
  auto status = status_of(unit);
  const auto report = pod == nullptr ? std::nullopt : report_of(*pod);
  const auto node = pod == nullptr ? std::string_view() : node_of_pod(*pod);
  write_report(status, report);
  status["currentState"] = node.empty() ? "inactive" : state_of(report);
  set_text(status, "nodeName", node);
  set_text(status, "machineID", node.empty() ? "" : machine_of(view.seen, node));
  const bool waits = pod != nullptr && node.empty() && is_active(*pod);
  const auto refused = waits ? refused_by_scheduler(*pod) : std::nullopt;
  const bool is_refused_pod = pod == nullptr && unit.is_wanted() && !failure.empty();
  const bool is_on_its_way = (waits && !refused) || (pod == nullptr && !is_refused_pod);
  const bool is_new = !unit.object->root()["status"]["observedGeneration"].exists();
  if (unit.is_wanted() && is_on_its_way && is_new) {
    return;  // a place for it, or why there is none, follows in a moment
  }
  set_text(status, "reason", refused ? kUnschedulable : is_refused_pod ? kFailedCreate : "");
  set_text(status, "message", refused ? why_unplaced(view, unit, *refused) : "");
  if (is_refused_pod) {
    status["message"] = failure;
  }
  write_status(unit, std::move(status), plan);
}

void report_global_unit(const FleetUnit& unit, const std::vector<const Stored*>& pods, Plan& plan) {
  auto status = status_of(unit);
  std::optional<UnitReport> worst;
  std::size_t launched = 0;
  std::size_t loaded = 0;
  for (const auto* pod : pods) {
    auto report = report_of(*pod);
    loaded += report ? 1 : 0;
    launched += report && report->is_launched ? 1 : 0;
    if (report && (!worst || badness(report->active) > badness(worst->active))) {
      worst = std::move(report);
    }
  }
  write_report(status, worst);
  const bool is_launched = launched > 0 && launched == pods.size();
  status["currentState"] = is_launched ? "launched" : loaded > 0 ? "loaded" : "inactive";
  set_count(status, "machines", static_cast<std::int64_t>(launched));
  write_status(unit, std::move(status), plan);
}

}  // namespace tetrarch::reconcile
