// SPDX-License-Identifier: Apache-2.0
// What a request that cannot be read as HTTP/1.1 is answered with. Inside net only.
#pragma once

#include <string>

#include "net/request_parser.h"
#include "net/server.h"

namespace tetrarch::net {

/// The status that an error of the message's form stands for.
int refusal_of(const ParseError& error);
/// In words for whoever sent it.
std::string message_of(int refusal, const ParseError& error, const ServerOptions& options);

}  // namespace tetrarch::net
