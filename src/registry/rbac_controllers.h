// SPDX-License-Identifier: Apache-2.0
// The roles of controllers: what a program would need that does the work of one of ours. Nobody
// acts under them here; tools list and copy them.
#pragma once

#include <span>
#include <string_view>

namespace tetrarch::registry {

struct ControllerRole {
  std::string_view name;   ///< of the service account in kube-system; the role's, less the prefix
  std::string_view rules;  ///< as in rbac_policy.cc
};

/// What the names of the roles and of their bindings begin with.
inline constexpr std::string_view kControllerPrefix = "system:controller:";

std::span<const ControllerRole> controller_roles();

}  // namespace tetrarch::registry
