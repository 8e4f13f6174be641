// SPDX-License-Identifier: Apache-2.0
#include "app/node_words.h"

namespace tetrarch::app {

std::string_view ready_of(views::NodeView node) {
  for (const auto condition : node.status().conditions()) {
    if (condition.type() == "Ready") {
      return condition.status();
    }
  }
  return "Unknown";
}

std::string state_of(views::NodeView node) {
  const auto ready = ready_of(node);
  std::string out = ready == "True" ? "Ready" : ready == "False" ? "NotReady" : "Unreachable";
  return node.spec().unschedulable() ? out + ",cordoned" : out;
}

std::string_view address_of(views::NodeView node) {
  std::string_view out;
  for (const auto entry : node.status().addresses()) {
    out = entry.type() == "InternalIP" ? entry.address() : out;
  }
  return out;
}

}  // namespace tetrarch::app
