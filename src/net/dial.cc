// SPDX-License-Identifier: Apache-2.0
#include "net/dial.h"

#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <sys/un.h>

#include "net/socket_options.h"

namespace tetrarch::net {
namespace {

using Endpoint = asio::generic::stream_protocol::endpoint;
using Resolver = asio::ip::tcp::resolver;

Task<Result<std::vector<Endpoint>>> resolve(std::string host,
                                            std::uint16_t port,
                                            std::chrono::nanoseconds limit) {
  std::vector<Endpoint> out;
  boost::system::error_code is_name;
  const auto ip = asio::ip::make_address(host, is_name);
  if (!is_name) {
    out.emplace_back(asio::ip::tcp::endpoint(ip, port));
    co_return out;
  }
  const auto strand = co_await asio::this_coro::executor;
  const auto resolver = std::make_shared<Resolver>(strand);  // shared with the timer's handler
  asio::steady_timer timer(strand, limit);
  timer.async_wait([resolver](const boost::system::error_code& error) {
    if (!error) {
      resolver->cancel();
    }
  });
  auto [error, found] = co_await resolver->async_resolve(host, std::to_string(port), kAwait);
  timer.cancel();
  if (error) {
    co_return Error{Code::unavailable, "cannot resolve " + host + ": " + error.message()};
  }
  for (const auto& entry : found) {
    out.emplace_back(entry.endpoint());
  }
  co_return out;
}

}  // namespace

Task<Result<std::unique_ptr<Transport>>> dial(Url url,
                                              std::chrono::nanoseconds limit,
                                              const Clock& clock) {
  std::vector<Endpoint> endpoints;
  if (url.scheme == Url::Scheme::unix_socket) {
    if (url.host.size() >= sizeof(sockaddr_un{}.sun_path)) {
      co_return Error{Code::invalid, "the path is too long for a unix socket: " + url.host};
    }
    endpoints.emplace_back(asio::local::stream_protocol::endpoint(url.host));
  } else {
    CO_TRY(endpoints, co_await resolve(url.host, url.port, limit));
  }
  Error last(Code::unavailable, "the name has no address");
  for (const auto& endpoint : endpoints) {
    auto transport = std::make_unique<Transport>(Socket(co_await asio::this_coro::executor), clock);
    transport->arm(limit);
    auto connected = co_await transport->connect(endpoint);
    if (connected.ok()) {
      set_connection_options(transport->socket());
      co_return transport;
    }
    last = std::move(connected).error();
  }
  last.message = "cannot reach " +
                 (url.scheme == Url::Scheme::unix_socket ? url.host : url.authority()) + ": " +
                 last.message;
  co_return last;
}

}  // namespace tetrarch::net
