// SPDX-License-Identifier: Apache-2.0
// The roles and bindings that every cluster begins with.
#pragma once

#include <string>
#include <vector>

namespace tetrarch::registry {

struct PolicyObject {
  std::string resource;
  std::string ns;
  std::string json;
};

/// Canonical objects, roles before the bindings that name them.
std::vector<PolicyObject> bootstrap_policy();

}  // namespace tetrarch::registry
