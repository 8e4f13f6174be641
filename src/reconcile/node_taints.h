// SPDX-License-Identifier: Apache-2.0
// Names of the taints that mirror a node's state.
#pragma once

#include <string_view>

#include "object/stored.h"

namespace tetrarch::reconcile {

// Source: Kubernetes API reference, well-known labels, annotations and taints.
inline constexpr std::string_view kTaintNotReady = "node.kubernetes.io/not-ready";
inline constexpr std::string_view kTaintUnreachable = "node.kubernetes.io/unreachable";

inline constexpr std::string_view kNoExecute = "NoExecute";

/// Whether a taint of that key says that the node is out, so that its Pods may have to go.
inline bool is_outage(std::string_view key) {
  return key == kTaintNotReady || key == kTaintUnreachable;
}

/// Status of the Ready condition: True, False, Unknown; empty: there is none.
std::string_view ready_status(const Stored& node);

}  // namespace tetrarch::reconcile
