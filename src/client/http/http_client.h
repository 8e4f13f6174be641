// SPDX-License-Identifier: Apache-2.0
// Client over the Kubernetes API of a server: what agents use, and controllers of a process of
// their own. The identity is that of the net::Client: its certificate or token.
#pragma once

#include <memory>

#include "client/client.h"
#include "net/client.h"
#include "schema/catalog.h"

namespace tetrarch::client {

/// `transport` and `catalog` outlive the client. Thread-safe; a Watch belongs to the coroutine that
/// reads it.
std::unique_ptr<Client> make_http_client(net::Requests& transport, const schema::Catalog& catalog);

}  // namespace tetrarch::client
