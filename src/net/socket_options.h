// SPDX-License-Identifier: Apache-2.0
// What every connection of ours sets on its socket. Inside net only.
#pragma once

#include "net/transport.h"

namespace tetrarch::net {

/// No Nagle delay; a dead peer is noticed within about two minutes even if nothing is sent.
void set_connection_options(Socket& socket);

}  // namespace tetrarch::net
