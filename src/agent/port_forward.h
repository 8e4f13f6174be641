// SPDX-License-Identifier: Apache-2.0
// One forwarded connection: from a server's stream to a port on the pod's own loopback address
// (port-forward), or to one that the network reaches (the proxy subresources).
#pragma once

#include <string>

#include "agent/runtime/runtime.h"
#include "async/io_pool.h"
#include "async/task.h"
#include "net/http.h"

namespace tetrarch::agent {

/// A TCP socket that lives in the network that the file names (setns(2)). Blocking.
Result<int> socket_in_network(const std::filesystem::path& network, int family);

/// Connects to the port, writes the answer line, and carries bytes both ways until both sides have
/// ended, or one has failed. Everything outlives it.
Task<void> serve_forward(runtime::Runtime& runtime,
                         async::BlockingPool& blocking,
                         std::string sandbox_id,
                         int port,
                         net::Stream& stream);

/// The same to an address that this machine reaches, in its own network: what the pod's loopback
/// address alone hears stays with the pod.
Task<void> serve_connection(std::string address, int port, net::Stream& stream);

}  // namespace tetrarch::agent
