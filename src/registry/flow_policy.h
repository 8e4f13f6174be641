// SPDX-License-Identifier: Apache-2.0
// The flow schemas and priority levels that every cluster begins with, and which of them nobody may
// change. What becomes of changed and deleted ones later is decided in reconcile.
#pragma once

#include <string_view>
#include <vector>

#include "registry/rbac_policy.h"

namespace tetrarch::registry {

inline constexpr std::string_view kFlowSchemas = "flowschemas.flowcontrol.apiserver.k8s.io";
inline constexpr std::string_view kPriorityLevels =
    "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io";

/// Canonical objects, every default written out; levels before the schemas that name them.
std::vector<PolicyObject> flow_policy();
/// Those that make sure that every request has a place; the others are suggestions.
bool is_mandatory_flow(std::string_view name);

}  // namespace tetrarch::registry
