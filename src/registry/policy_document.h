// SPDX-License-Identifier: Apache-2.0
// A NetworkPolicy read: which address groups its rules name, and the document that carries the
// rules to nodes, peers written as those groups. Pure.
#pragma once

#include <string>
#include <vector>

#include "object/selector.h"
#include "object/stored.h"

namespace tetrarch::registry {

/// Pods by selectors: the peers that rules name. Policies with equal ones share it.
struct GroupSpec {
  std::string id;  ///< short, the same for equal selectors
  std::string ns;  ///< pods of this namespace only; empty: of those that `namespaces` selects
  object::LabelSelector namespaces;
  object::LabelSelector pods;
};

struct PolicyReading {
  object::LabelSelector pods;      ///< of its namespace: whom it is for
  std::vector<GroupSpec> groups;   ///< all that nodes must know, each once
  DocumentPtr document = nullptr;  ///< a NodePolicy
};

/// Source: Kubernetes API, NetworkPolicySpec, v1.35. What validation lets pass can be read.
PolicyReading read_policy(const Stored& policy);

}  // namespace tetrarch::registry
