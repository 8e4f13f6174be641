// SPDX-License-Identifier: Apache-2.0
// A plain connection to a machine, as a Stream: for whoever passes requests on to a server that no
// node of the cluster leads to.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "async/task.h"
#include "base/result.h"
#include "net/http.h"

namespace tetrarch::net {

/// `host` is an address or a name, whose addresses are tried in turn, each for `limit`. The stream
/// belongs to the caller's strand. Code::unavailable or Code::timeout: nobody answers.
Task<Result<std::unique_ptr<Stream>>> dial_stream(std::string host,
                                                  std::uint16_t port,
                                                  std::chrono::nanoseconds limit);

}  // namespace tetrarch::net
