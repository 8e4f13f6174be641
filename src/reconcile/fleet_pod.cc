// SPDX-License-Identifier: Apache-2.0
#include "reconcile/fleet_pod.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "reconcile/child_name.h"
#include "reconcile/children.h"
#include "reconcile/edit.h"
#include "reconcile/fleet_labels.h"
#include "reconcile/node_taints.h"
#include "unitfile/glob.h"
#include "unitfile/unit_name.h"

namespace tetrarch::reconcile {

namespace {

using object::TreeArray;
using object::TreeObject;

constexpr std::string_view kHostname = "kubernetes.io/hostname";
constexpr std::string_view kRequired = "requiredDuringSchedulingIgnoredDuringExecution";

TreeObject expression(std::string_view key, std::string_view op, TreeArray values = {}) {
  TreeObject out{{"key", key}, {"operator", op}};
  if (!values.empty()) {
    out["values"] = std::move(values);
  }
  return out;
}

/// Pods of the same machine that this expression selects.
TreeObject pod_term(TreeObject selects) {
  return {{"labelSelector", TreeObject{{"matchExpressions", TreeArray{std::move(selects)}}}},
          {"topologyKey", kHostname}};
}

TreeObject term_of_unit(std::string_view name) {
  return pod_term(expression(kUnitLabel, "In", TreeArray{label_value_of(name)}));
}

/// What has one value is a selector: units that ask for nothing else are alike for the scheduler.
TreeObject node_selector(const FleetUnit& unit, const UnitPlacement& where) {
  TreeObject out{{kHasSystemd, "true"}};
  if (!where.machine_id.empty()) {
    out[kMachineId] = label_value_of(where.machine_id);
  }
  for (const auto& [key, values] : unit.wanted.metadata) {
    if (values.size() == 1) {
      out[metadata_label(key)] = label_value_of(*values.begin());
    }
  }
  return out;
}

TreeObject node_term(const FleetUnit& unit, const UnitPlacement& where) {
  TreeArray labels;
  for (const auto& [key, values] : unit.wanted.metadata) {
    if (values.size() > 1) {
      TreeArray texts;
      for (const auto& value : values) {
        texts.emplace_back(label_value_of(value));
      }
      labels.emplace_back(expression(metadata_label(key), "In", std::move(texts)));
    }
  }
  TreeObject term;
  if (!labels.empty()) {
    term["matchExpressions"] = std::move(labels);
  }
  if (!where.node.empty()) {
    term["matchFields"] = TreeArray{expression("metadata.name", "In", TreeArray{where.node})};
  }
  return term;
}

TreeObject affinity_of(const FleetView& view, const FleetUnit& unit, const UnitPlacement& where) {
  TreeObject out;
  if (auto term = node_term(unit, where); !term.empty()) {
    out["nodeAffinity"] =
        TreeObject{{kRequired, TreeObject{{"nodeSelectorTerms", TreeArray{std::move(term)}}}}};
  }
  TreeArray with;
  for (const auto& peer : unit.wanted.peers) {
    with.emplace_back(term_of_unit(peer));
  }
  if (!with.empty()) {
    out["podAffinity"] = TreeObject{{kRequired, std::move(with)}};
  }
  TreeArray without;
  for (const auto& pattern : unit.wanted.conflicts) {
    without.emplace_back(pod_term(expression(pattern_label(pattern), "Exists")));
  }
  for (const auto& other : replacers_of(view, unit)) {
    without.emplace_back(term_of_unit(other.name()));
  }
  if (!without.empty()) {
    out["podAntiAffinity"] = TreeObject{{kRequired, std::move(without)}};
  }
  return out;
}

TreeArray tolerations(bool is_global) {
  TreeArray out;
  for (const auto key : {kTaintNotReady, kTaintUnreachable}) {
    TreeObject each{{"key", key}, {"operator", "Exists"}, {"effect", kNoExecute}};
    if (!is_global) {  // one of those has nowhere else to go
      each["tolerationSeconds"] = kUnitPatienceSeconds;
    }
    out.emplace_back(std::move(each));
  }
  return out;
}

TreeObject spec_of(const FleetView& view, const FleetUnit& unit, const UnitPlacement& where) {
  const auto& wanted = unit.wanted;
  const TreeObject requests{{"cpu", wanted.cpu.empty() ? kUnitCpu : wanted.cpu},
                            {"memory", wanted.memory.empty() ? kUnitMemory : wanted.memory}};
  TreeObject spec{
      {"runtimeClassName", "systemd"},
      {"hostNetwork", true},
      {"automountServiceAccountToken", false},
      {"restartPolicy", "Always"},
      {"nodeSelector", node_selector(unit, where)},
      {"tolerations", tolerations(wanted.is_global)},
      {"containers",
       TreeArray{TreeObject{{"name", "unit"}, {"resources", TreeObject{{"requests", requests}}}}}}};
  if (auto affinity = affinity_of(view, unit, where); !affinity.empty()) {
    spec["affinity"] = std::move(affinity);
  }
  return spec;
}

TreeObject labels_of(const FleetView& view, const FleetUnit& unit) {
  TreeObject out;
  for (const auto [key, value] : unit.object->metadata()["labels"].members()) {
    out[key] = value.string();
  }
  for (const auto& [key, value] : unit.wanted.labels) {
    out[key] = value;
  }
  for (const auto pattern : view.links.patterns_in(unit.ns())) {
    if (unitfile::matches_glob(pattern, unit.name())) {
      out[pattern_label(pattern)] = "";
    }
  }
  out[kUnitLabel] = label_value_of(unit.name());
  if (const auto name = unitfile::split_name(unit.name()); name.is_instance()) {
    out[kTemplateLabel] = label_value_of(name.prefix);
  }
  return out;
}

/// A member set or left as it is; whether that changed anything.
bool take_member(TreeObject& into, std::string_view key, const object::Tree& value) {
  if (const auto* old = into.if_contains(key); old != nullptr && *old == value) {
    return false;
  }
  into[key] = value;
  return true;
}

/// Words between single blanks.
std::string_view take_word(std::string_view& text) {
  const auto end = std::min(text.find(' '), text.size());
  const auto word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

}  // namespace

TreeObject pod_of_unit(const FleetView& view, const FleetUnit& unit, const UnitPlacement& where) {
  auto spec = spec_of(view, unit, where);
  TreeObject annotations{{kUnitName, unit.name()},
                         {kUnitText, unit.text()},
                         {kRunState, unit.desired == "launched" ? "running" : "held"},
                         {kUnitRestarts, fmt::format("{}", unit.restarts)},
                         {kPlacement, name_suffix(object::to_json(spec), 12)}};
  TreeObject metadata{{"namespace", unit.ns()},
                      {"labels", labels_of(view, unit)},
                      {"annotations", std::move(annotations)},
                      {"ownerReferences", TreeArray{controller_reference(*unit.object)}}};
  return {{"apiVersion", "v1"},
          {"kind", "Pod"},
          {"metadata", std::move(metadata)},
          {"spec", std::move(spec)}};
}

DocumentPtr renewed_pod(const Stored& pod, const TreeObject& fresh) {
  Edit edit(pod);
  bool is_changed = false;
  auto& labels = Edit::object_in(edit.metadata(), "labels");
  const auto& wanted = fresh.at("metadata").at("labels").as_object();
  for (const auto& [key, value] : wanted) {
    is_changed = take_member(labels, key, value) || is_changed;
  }
  for (const auto [key, value] : pod.metadata()["labels"].members()) {
    if (key.starts_with(kPatternPrefix) && !wanted.contains(key)) {
      labels.erase(key);
      is_changed = true;
    }
  }
  auto& annotations = Edit::object_in(edit.metadata(), "annotations");
  for (const auto& [key, value] : fresh.at("metadata").at("annotations").as_object()) {
    // A placed Pod says where it could go when it was placed.
    if (std::string_view(key) != kPlacement) {
      is_changed = take_member(annotations, key, value) || is_changed;
    }
  }
  return is_changed ? edit.document() : nullptr;
}

std::optional<UnitReport> report_of(const Stored& pod) {
  for (const auto condition : pod.root()["status"]["conditions"].elements()) {
    if (condition["type"].string() != kUnitCondition) {
      continue;
    }
    if (condition["status"].string() != "True") {
      return std::nullopt;
    }
    auto text = condition["message"].string();
    UnitReport out;
    for (auto* field : {&out.load, &out.active, &out.sub, &out.hash}) {
      *field = take_word(text);
    }
    out.is_launched = take_word(text) == "launched";
    out.restarts = number_in(take_word(text), 0);
    return out;
  }
  return std::nullopt;
}

std::string_view unit_of(const Stored& pod) {
  return pod.metadata()["annotations"][kUnitName].string();
}

std::string_view node_of_pod(const Stored& pod) {
  return pod.root()["spec"]["nodeName"].string();
}

std::string_view machine_of(const Mirror& seen, std::string_view node) {
  const auto* stored = seen.get("nodes", "", node);
  return stored == nullptr ? "" : stored->metadata()["labels"][kMachineId].string();
}

}  // namespace tetrarch::reconcile
