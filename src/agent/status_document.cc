// SPDX-License-Identifier: Apache-2.0
// A pod's status as a part of its document.
#include <algorithm>
#include <iterator>

#include "agent/status.h"
#include "object/writer.h"
#include "unitfile/marks.h"

namespace tetrarch::agent {
namespace {

using object::View;
using object::Writer;

bool says(View conditions, std::string_view type) {
  for (const auto condition : conditions.elements()) {
    if (is_own_condition(condition) && condition["type"].string() == type) {
      return true;
    }
  }
  return false;
}

/// Ours, and those of others as they are now: they may be newer than what the status was made from.
void write_joined_conditions(Writer& writer, View ours, View present) {
  writer.key("conditions").begin_array();
  for (const auto condition : ours.elements()) {
    if (is_own_condition(condition)) {
      writer.view(condition);
    }
  }
  for (const auto condition : present.elements()) {
    if (!is_own_condition(condition) && !says(ours, condition["type"].string())) {
      writer.view(condition);
    }
  }
  writer.end_array();
}

}  // namespace

bool is_own_condition(View condition) {
  constexpr std::string_view kOurs[] = {"PodReadyToStartContainers",
                                        "Initialized",
                                        "Ready",
                                        "ContainersReady",
                                        "PodScheduled",
                                        "PodResizePending",
                                        "PodResizeInProgress",
                                        unitfile::marks::kUnitCondition};
  // Source: Kubernetes documentation, "Pod disruption conditions": others write DisruptionTarget
  // too, with other reasons.
  return condition["reason"].string() == "TerminationByKubelet" ||
         std::find(std::begin(kOurs), std::end(kOurs), condition["type"].string()) !=
             std::end(kOurs);
}

DocumentPtr with_status(View pod, std::string_view status) {
  const auto made = Document::from_canonical(std::string(status));
  std::string out;
  Writer writer(out);
  writer.begin_object();
  for (const auto [name, value] : pod.members()) {
    if (name != "status") {
      writer.field(name, value);
    }
  }
  writer.key("status").begin_object();
  for (const auto [name, value] : made->root().members()) {
    if (name == "conditions") {
      write_joined_conditions(writer, value, pod["status"]["conditions"]);
    } else {
      writer.field(name, value);
    }
  }
  writer.end_object().end_object();
  return Document::from_canonical(std::move(out));
}

/// Source: kube-controller-manager, node lifecycle.
bool is_given_up(View pod) {
  for (const auto condition : pod["status"]["conditions"].elements()) {
    if (condition["type"].string() == "Ready") {
      return condition["status"].string() == "False" &&
             condition["reason"].string() == "NodeNotReady";
    }
  }
  return false;
}

bool is_final(View pod) {
  const auto phase = pod["status"]["phase"].string();
  return phase == "Failed" || phase == "Succeeded";
}

}  // namespace tetrarch::agent
