// SPDX-License-Identifier: Apache-2.0
#include "schedule/node_rules.h"

#include <fmt/format.h>

#include "schema/views/core.h"

namespace tetrarch::schedule {
namespace {

// Ours: one point of preferred-affinity weight (1 to 100) outweighs about one percent of free room.
constexpr std::int32_t kPointsPerWeight = 200;
constexpr std::int32_t kPointsPerPreferredTaint = 5000;

TaintEffect effect_of(std::string_view text) {
  if (text == "PreferNoSchedule") {
    return TaintEffect::prefer_no_schedule;
  }
  return text == "NoExecute" ? TaintEffect::no_execute : TaintEffect::no_schedule;
}

}  // namespace

object::View pinned_node(object::View pod) {
  const auto terms = pod.find(
      "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."
      "nodeSelectorTerms");
  const auto fields = terms.at(0)["matchFields"];
  const auto field = fields.at(0);
  // Spread over several nodes is counted with the pin.
  const bool is_pin = pod["spec"]["topologySpreadConstraints"].size() == 0 && terms.size() == 1 &&
                      fields.size() == 1 && field["key"].string() == "metadata.name" &&
                      field["operator"].string() == "In" && field["values"].size() == 1;
  return is_pin ? field["values"].at(0) : object::View();
}

NodeRules::NodeRules(object::View pod, Interner& texts, Pin pin) : texts_(texts) {
  const views::PodSpecView spec(pod["spec"]);
  node_name_ = spec.node_name();
  // Ours: no node runs it until claims are allocated, rather than one without its devices.
  has_device_claims_ = !spec.resource_claims().empty();
  for (const auto& [key, value] : spec.node_selector()) {
    selector_.push_back({texts.intern(key), texts.intern(value)});
  }
  const auto affinity = spec.affinity().node_affinity();
  const auto required = affinity.required_during_scheduling_ignored_during_execution();
  has_required_ = static_cast<bool>(required);
  const bool has_fields = pin == Pin::honoured || !pinned_node(pod).exists();
  for (const auto term : required.node_selector_terms()) {
    required_.push_back(read_term(term.view(), has_fields));
  }
  for (const auto term : affinity.preferred_during_scheduling_ignored_during_execution()) {
    preferred_.push_back({read_term(term.preference().view(), true), term.weight()});
  }
  for (const auto toleration : spec.tolerations()) {
    tolerations_.push_back(
        {toleration.key().empty() ? Interner::kNone : texts.intern(toleration.key()),
         texts.intern(toleration.value()),
         toleration.operator_() == "Exists",
         !toleration.effect().empty(),
         effect_of(toleration.effect())});
  }
  // Source: kube-scheduler, NodeUnschedulable: spec.unschedulable acts as this taint.
  const Taint unschedulable{
      texts.intern("node.kubernetes.io/unschedulable"), texts.intern(""), TaintEffect::no_schedule};
  tolerates_unschedulable_ = is_tolerated(unschedulable);
}

NodeRules::Term NodeRules::read_term(object::View term, bool has_fields) {
  Term out;
  out.is_empty = term["matchExpressions"].size() == 0 && term["matchFields"].size() == 0;
  // Validation refused terms that cannot be read; one that slipped through matches nothing.
  const auto labels = object::LabelSelector::from_expressions(term["matchExpressions"]);
  const auto fields =
      object::LabelSelector::from_expressions(has_fields ? term["matchFields"] : object::View());
  out.labels = labels.ok() ? *labels : object::LabelSelector::nothing();
  out.fields = fields.ok() ? *fields : object::LabelSelector::nothing();
  return out;
}

bool NodeRules::matches(const Term& term, const Nodes& nodes, Place place) const {
  if (term.is_empty) {
    return false;
  }
  const auto label = [&](std::string_view key) -> std::optional<std::string_view> {
    const auto id = texts_.find(key);
    const auto value = id == Interner::kNone ? Interner::kNone : nodes.label(place, id);
    return value == Interner::kNone ? std::nullopt : std::optional(texts_.text(value));
  };
  const auto field = [&](std::string_view key) -> std::optional<std::string_view> {
    return key == "metadata.name" ? std::optional<std::string_view>(nodes.name(place))
                                  : std::nullopt;
  };
  return (term.labels.is_everything() || term.labels.matches(label)) &&
         (term.fields.is_everything() || term.fields.matches(field));
}

bool NodeRules::is_tolerated(const Taint& taint) const {
  for (const Toleration& toleration : tolerations_) {
    const bool has_key =
        toleration.key == Interner::kNone ? toleration.is_exists : toleration.key == taint.key;
    const bool has_value = toleration.is_exists || toleration.value == taint.value;
    if (has_key && has_value && (!toleration.has_effect || toleration.effect == taint.effect)) {
      return true;
    }
  }
  return false;
}

const Taint* NodeRules::untolerated(const Nodes& nodes, Place place) const {
  for (const Taint& taint : nodes.taints(place)) {
    if (taint.effect != TaintEffect::prefer_no_schedule && !is_tolerated(taint)) {
      return &taint;
    }
  }
  return nullptr;
}

Refusal NodeRules::refusal(const Nodes& nodes, Place place) const {
  if (nodes.is_unschedulable(place) && !tolerates_unschedulable_) {
    return Refusal::unschedulable;
  }
  if (!node_name_.empty() && nodes.name(place) != node_name_) {
    return Refusal::node_name;
  }
  if (!tolerates(nodes, place)) {
    return Refusal::taint;
  }
  if (!matches_affinity(nodes, place)) {
    return Refusal::node_affinity;
  }
  return has_device_claims_ ? Refusal::device_claims : Refusal::none;
}

bool NodeRules::matches_affinity(const Nodes& nodes, Place place) const {
  for (const Label& wanted : selector_) {
    if (nodes.label(place, wanted.key) != wanted.value) {
      return false;
    }
  }
  bool has_match = !has_required_;
  for (const Term& term : required_) {
    has_match = has_match || matches(term, nodes, place);
  }
  return has_match;
}

std::int32_t NodeRules::preference(const Nodes& nodes, Place place) const {
  std::int32_t points = 0;
  for (const Preferred& preferred : preferred_) {
    if (matches(preferred.term, nodes, place)) {
      points += static_cast<std::int32_t>(preferred.weight) * kPointsPerWeight;
    }
  }
  for (const Taint& taint : nodes.taints(place)) {
    if (taint.effect == TaintEffect::prefer_no_schedule && !is_tolerated(taint)) {
      points -= kPointsPerPreferredTaint;
    }
  }
  return points;
}

std::string NodeRules::taint_detail(const Nodes& nodes, Place place) const {
  const Taint* taint = untolerated(nodes, place);
  return taint == nullptr
             ? ""
             : fmt::format("{{{}: {}}}", texts_.text(taint->key), texts_.text(taint->value));
}

}  // namespace tetrarch::schedule
