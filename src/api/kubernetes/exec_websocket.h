// SPDX-License-Identifier: Apache-2.0
// The client's end of exec and attach over a WebSocket: the first byte of a message is its channel.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/kubernetes/frames.h"
#include "net/http.h"

namespace tetrarch::api::kubernetes {

/// The best subprotocol that both sides know; Code::malformed where there is none.
/// `offered`: values of Sec-WebSocket-Protocol.
Result<std::string> choose_subprotocol(const std::vector<std::string_view>& offered);

std::unique_ptr<RemoteClient> make_websocket_client(std::unique_ptr<net::WebSocket> socket,
                                                    std::string subprotocol);

}  // namespace tetrarch::api::kubernetes
