// SPDX-License-Identifier: Apache-2.0
// Impersonation: a caller who may answers as somebody else (`kubectl --as`).
#pragma once

#include "base/result.h"
#include "net/http.h"
#include "registry/registry.h"
#include "trust/identity.h"

namespace tetrarch::api::kubernetes {

/// The identity that the Impersonate-* headers name, or the asker where there are none.
/// Code::forbidden where the asker may not impersonate the user, one of the groups, or a service
/// account. Source: Kubernetes documentation, "Authenticating", section "User impersonation".
Result<trust::Identity> impersonate(const registry::Registry& registry,
                                    const net::Headers& headers,
                                    trust::Identity asker);

}  // namespace tetrarch::api::kubernetes
