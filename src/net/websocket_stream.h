// SPDX-License-Identifier: Apache-2.0
// A WebSocket (server side) over a Stream on which the handshake is done. Inside net only.
#pragma once

#include <memory>

#include "net/http.h"

namespace tetrarch::net {

/// Longest message that is put together; more closes with 1009.
inline constexpr std::size_t kWebSocketMessageMax = 4 * 1024 * 1024;

std::unique_ptr<WebSocket> make_websocket(std::unique_ptr<Stream> stream);

}  // namespace tetrarch::net
