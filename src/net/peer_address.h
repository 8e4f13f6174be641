// SPDX-License-Identifier: Apache-2.0
// Small facts that a connection prints: the address of the other side, and a date as HTTP writes
// it.
#pragma once

#include <chrono>
#include <string>

#include "net/transport.h"

namespace tetrarch::net {

/// "192.0.2.7:4711", "[2001:db8::1]:4711"; for a unix socket is_local_socket and "unix".
void describe_address(const Socket& socket, Peer& peer);
/// "Mon, 23 Nov 2026 06:13:56 GMT". Source: RFC 9110 section 5.6.7, IMF-fixdate.
/// The address alone, as bytes; empty for a unix socket.
std::string address_bytes(const Socket& socket);
std::string format_http_date(std::chrono::sys_seconds time);

}  // namespace tetrarch::net
