// SPDX-License-Identifier: Apache-2.0
// The gRPC health check of a probe. Here, because only this room compiles gRPC.
#pragma once

#include <chrono>
#include <string>

#include "async/task.h"
#include "base/result.h"

namespace tetrarch::agent::runtime {

/// Success: the service says SERVING. `address` is "ip:port".
Task<Status> check_grpc_health(std::string address,
                               std::string service,
                               std::chrono::milliseconds limit);

}  // namespace tetrarch::agent::runtime
