// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/deprecations.h"

namespace tetrarch::api::kubernetes {

std::string_view deprecation_of(const schema::Kind& kind) {
  // Source: Kubernetes 1.33 release notes, KEP-4974.
  if (kind.group.empty() && kind.kind == "Endpoints") {
    return "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice";
  }
  return {};
}

}  // namespace tetrarch::api::kubernetes
