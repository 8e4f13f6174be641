// SPDX-License-Identifier: Apache-2.0
#include "net/stream_dial.h"

#include "net/dial.h"
#include "net/transport_stream.h"

namespace tetrarch::net {

Task<Result<std::unique_ptr<Stream>>> dial_stream(std::string host,
                                                  std::uint16_t port,
                                                  std::chrono::nanoseconds limit) {
  Url url;
  url.scheme = Url::Scheme::http;
  url.host = std::move(host);
  url.port = port;
  CO_TRY(auto transport, co_await dial(std::move(url), limit, system_clock()));
  transport->disarm();
  auto stream = make_transport_stream(std::move(transport), {});
  co_return stream;
}

}  // namespace tetrarch::net
