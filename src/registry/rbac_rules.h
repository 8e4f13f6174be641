// SPDX-License-Identifier: Apache-2.0
// A rule of a Role, whether it allows a request, and whether what somebody holds covers what they
// want to grant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "object/document.h"
#include "registry/registry.h"

namespace tetrarch::registry {

struct PolicyRule {
  std::vector<std::string> verbs;
  std::vector<std::string> groups = {};
  std::vector<std::string> resources = {};
  std::vector<std::string> names = {};
  std::vector<std::string> urls = {};

  static PolicyRule read(object::View rule);
  bool allows(const Attributes& asked) const;
  /// As Kubernetes prints it: {APIGroups:[""], Resources:["pods"], Verbs:["get"]}
  std::string text() const;
};

std::vector<PolicyRule> read_rules(object::View rules);

/// The parts of `wanted` (one verb, group, resource and name each) that no single rule of `held`
/// allows.
std::vector<PolicyRule> not_covered(const std::vector<PolicyRule>& held,
                                    const std::vector<PolicyRule>& wanted);

}  // namespace tetrarch::registry
