// SPDX-License-Identifier: Apache-2.0
// Port-forward as the clients for Python and JavaScript speak it: one connection for each port that
// the query names, all in one WebSocket, whose messages begin with the number of a channel. Port i
// has channel 2i for bytes and 2i+1 for its error; the first message on each is the port's number,
// two bytes, little end first. Source: Kubernetes documentation, "Port Forward", subprotocol
// v4.channel.k8s.io. Seen: python3-kubernetes 22.6, @kubernetes/client-node 1.4.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "api/kubernetes/context.h"
#include "async/task.h"
#include "net/http.h"

namespace tetrarch::api::kubernetes {

inline constexpr std::string_view kForwardChannels = "v4.channel.k8s.io";

struct ForwardedPort {
  int number = 0;
  /// The agent's end; nullptr where the port could not be reached, and then why.
  std::unique_ptr<net::Stream> agent = {};
  std::string error = {};
};

/// The ports that `ports=80,81&ports=82` names. Code::malformed where there are none, too many, or
/// one is no port.
Result<std::vector<ForwardedPort>> forwarded_ports(const net::Request& request);

/// Until every port's server has ended its connection, or the client has closed the WebSocket.
Task<void> relay_channels(std::unique_ptr<net::WebSocket> socket, std::vector<ForwardedPort> ports);

}  // namespace tetrarch::api::kubernetes
