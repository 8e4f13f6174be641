// SPDX-License-Identifier: Apache-2.0
// A Stream over a Transport that an upgrade has taken over. Inside net only.
#pragma once

#include <memory>
#include <string>

#include "net/http.h"
#include "net/transport.h"

namespace tetrarch::net {

/// `early` are bytes of the stream that arrived with the head; they are read first.
std::unique_ptr<Stream> make_transport_stream(std::unique_ptr<Transport> transport,
                                              std::string early);

}  // namespace tetrarch::net
