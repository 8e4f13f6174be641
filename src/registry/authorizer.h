// SPDX-License-Identifier: Apache-2.0
// Authorizer: may this identity do that? Masters may; nodes may do what concerns themselves; all
// others what roles grant.
#pragma once

#include <string_view>

#include "registry/node_pods.h"
#include "registry/rbac_index.h"
#include "registry/registry.h"
#include "trust/identity.h"

namespace tetrarch::registry {

/// Thread-safe.
class Authorizer {
 public:
  Authorizer(store::Store& store, const NodePods& node_pods)
      : store_(store), node_pods_(node_pods), rbac_(store) {}

  /// Code::forbidden with Kubernetes' sentence.
  Status authorize(const trust::Identity& identity, const Attributes& asked) const;
  bool allows(const trust::Identity& identity, const Attributes& asked) const;

  const RbacIndex& rbac() const { return rbac_; }

 private:
  bool allows_node(std::string_view node, const Attributes& asked) const;
  bool allows_own_pod(std::string_view node, const Attributes& asked) const;
  bool allows_token(std::string_view node, const Attributes& asked) const;
  bool is_named_by_pods(std::string_view node, const Attributes& asked) const;

  store::Store& store_;
  const NodePods& node_pods_;
  RbacIndex rbac_;
};

/// The node that an identity is; empty for everybody else.
std::string_view node_of(const trust::Identity& identity);
std::string forbidden_text(const trust::Identity& identity, const Attributes& asked);

}  // namespace tetrarch::registry
