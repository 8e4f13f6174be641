// SPDX-License-Identifier: Apache-2.0
#include "net/socket_options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace tetrarch::net {

namespace {

void set(Socket& socket, int level, int name, int value) {
  // An option that cannot be set costs speed, never correctness.
  (void)::setsockopt(socket.native_handle(), level, name, &value, sizeof(value));
}

}  // namespace

void set_connection_options(Socket& socket) {
  boost::system::error_code error;
  const auto endpoint = socket.local_endpoint(error);
  if (error || endpoint.protocol().family() == AF_UNIX) {
    return;
  }
  set(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(socket, IPPROTO_TCP, TCP_KEEPIDLE, 45);
  set(socket, IPPROTO_TCP, TCP_KEEPINTVL, 15);
  set(socket, IPPROTO_TCP, TCP_KEEPCNT, 4);
}

}  // namespace tetrarch::net
