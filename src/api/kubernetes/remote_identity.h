// SPDX-License-Identifier: Apache-2.0
// Who a request is of, as a server behind this one is told: headers that it believes because of the
// certificate that the connection shows. Pure. Source: Kubernetes documentation, "Authenticating
// Proxy"; client-go transport/round_trippers.go, SetAuthProxyHeaders, 1.35.
#pragma once

#include <string_view>

#include "net/http.h"
#include "trust/identity.h"

namespace tetrarch::api::kubernetes {

/// X-Remote-User, -Uid, -Group and -Extra-*, which no client may say itself.
bool is_identity_header(std::string_view name);
void add_identity(const trust::Identity& identity, net::Headers& headers);

}  // namespace tetrarch::api::kubernetes
