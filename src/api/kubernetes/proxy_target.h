// SPDX-License-Identifier: Apache-2.0
// Where a request to a proxy subresource goes: which port on which node, and what is asked of that
// node's agent to get there. Nodes need no open port and the server no route to pods: the agent
// connects (docs/adr/0037).
#pragma once

#include <string>

#include "api/kubernetes/context.h"
#include "async/task.h"

namespace tetrarch::api::kubernetes {

struct ProxyTarget {
  bool is_tls = false;
  NodeName node;
  std::string request;  ///< of reach
  std::string host;     ///< host:port, as a Location of the backend might name it
};

/// Authorizes `verb` on the subresource and finds the backend. Code::unavailable with the words of
/// Kubernetes where a service has none.
Task<Result<ProxyTarget>> find_proxy_target(Context& context, std::string verb);

}  // namespace tetrarch::api::kubernetes
