// SPDX-License-Identifier: Apache-2.0
#include "reconcile/node_fit.h"

#include <algorithm>
#include <optional>

#include "reconcile/node_taints.h"

namespace tetrarch::reconcile {

namespace {

constexpr std::string_view kName = "metadata.name";

views::NodeSelectorView required_of(views::PodSpecView pod) {
  return pod.affinity().node_affinity().required_during_scheduling_ignored_during_execution();
}

}  // namespace

bool tolerates(views::TolerationView toleration, views::TaintView taint) {
  if (!toleration.effect().empty() && toleration.effect() != taint.effect()) {
    return false;
  }
  if (toleration.operator_() == "Exists") {
    return toleration.key().empty() || toleration.key() == taint.key();
  }
  return toleration.key() == taint.key() && toleration.value() == taint.value();
}

NodeFit::NodeFit(views::PodSpecView pod) : pod_(pod) {
  const auto required = required_of(pod);
  has_required_ = static_cast<bool>(required);
  for (const auto term : required.node_selector_terms()) {
    const auto labels = object::LabelSelector::from_expressions(term.match_expressions().view());
    const auto fields = object::LabelSelector::from_expressions(term.match_fields().view());
    const bool is_empty = term.match_expressions().empty() && term.match_fields().empty();
    if (labels.ok() && fields.ok() && !is_empty) {  // an empty term matches nothing
      terms_.push_back({*labels, *fields});
    }
  }
}

bool NodeFit::matches(const Term& term, const Stored& node) {
  const auto field = [&](std::string_view key) -> std::optional<std::string_view> {
    return key == kName ? std::optional<std::string_view>(node.key.name) : std::nullopt;
  };
  return term.labels.matches(node.metadata()["labels"]) && term.fields.matches(field);
}

bool NodeFit::wants(const Stored& node) const {
  if (!pod_.node_name().empty() && pod_.node_name() != node.key.name) {
    return false;
  }
  const auto labels = node.metadata()["labels"];
  for (const auto& [key, value] : pod_.node_selector()) {
    if (labels[key].string() != value || !labels[key].exists()) {
      return false;
    }
  }
  return !has_required_ || std::any_of(terms_.begin(), terms_.end(), [&](const Term& term) {
    return matches(term, node);
  });
}

bool NodeFit::bears(const Stored& node, bool only_no_execute) const {
  for (const auto taint : views::NodeView(node.root()).spec().taints()) {
    const bool is_asked =
        taint.effect() == kNoExecute || (!only_no_execute && taint.effect() == "NoSchedule");
    if (!is_asked) {
      continue;
    }
    bool is_tolerated = false;
    for (const auto toleration : pod_.tolerations()) {
      is_tolerated = is_tolerated || tolerates(toleration, taint);
    }
    if (!is_tolerated) {
      return false;
    }
  }
  return true;
}

std::string_view named_node(views::PodSpecView pod) {
  for (const auto term : required_of(pod).node_selector_terms()) {
    for (const auto field : term.match_fields()) {
      if (field.key() == kName && field.operator_() == "In" && field.values().size() == 1) {
        return field.values().at(0);
      }
    }
  }
  return {};
}

}  // namespace tetrarch::reconcile
