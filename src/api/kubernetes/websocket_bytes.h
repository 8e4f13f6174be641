// SPDX-License-Identifier: Apache-2.0
// A WebSocket as a plain stream of bytes: the tunnel in which newer kubectl sends SPDY.
#pragma once

#include <memory>

#include "net/http.h"

namespace tetrarch::api::kubernetes {

/// Messages are joined on reading; every write is one binary message.
std::unique_ptr<net::Stream> make_websocket_bytes(std::unique_ptr<net::WebSocket> socket);

}  // namespace tetrarch::api::kubernetes
