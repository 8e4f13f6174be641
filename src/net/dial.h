// SPDX-License-Identifier: Apache-2.0
// Opens a connection to a Url: resolves the name, tries its addresses in turn. Inside net only.
#pragma once

#include <chrono>
#include <memory>

#include "net/transport.h"
#include "net/url.h"

namespace tetrarch::net {

/// Connected, on the caller's strand, still without TLS. Each address gets `limit`.
Task<Result<std::unique_ptr<Transport>>> dial(Url url,
                                              std::chrono::nanoseconds limit,
                                              const Clock& clock);

}  // namespace tetrarch::net
