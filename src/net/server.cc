// SPDX-License-Identifier: Apache-2.0
#include "net/server.h"

#include <cstring>
#include <list>
#include <unistd.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <sys/stat.h>
#include <sys/un.h>

#include "async/timer.h"
#include "base/check.h"
#include "base/log.h"
#include "net/connection.h"
#include "net/peer_address.h"
#include "net/socket_options.h"
#include "net/stream_exchange.h"

namespace tetrarch::net {

using Generic = asio::generic::stream_protocol;
using Acceptor = asio::basic_socket_acceptor<Generic, asio::any_io_executor>;

struct Server::Listener {
  Listener(asio::any_io_executor its_strand, std::shared_ptr<TlsContext> its_tls)
      : strand(std::move(its_strand)), acceptor(strand), tls(std::move(its_tls)) {}

  asio::any_io_executor strand;
  Acceptor acceptor;
  std::shared_ptr<TlsContext> tls;
  std::string unix_path;
};

struct Server::Impl {
  Impl(async::IoPool& its_pool, Handler& handler, ServerOptions options, const Clock& clock)
      : pool(its_pool),
        core(std::make_shared<ServerCore>(pool.strand(), handler, std::move(options), clock)),
        acceptors(pool.strand(), "net") {}

  void begin_drain() {
    std::vector<std::shared_ptr<Connection>>
        open;  // let go without the lock: the last reference takes it too
    {
      const std::lock_guard lock(core->mutex);
      core->is_draining = true;
      for (Connection* connection : core->connections) {
        if (auto alive = connection->weak_from_this().lock()) {
          open.push_back(std::move(alive));
        }
      }
    }
    for (const auto& connection : open) {
      connection->drain();
    }
  }

  void unlink_sockets() {
    for (auto& listener : listeners) {
      boost::system::error_code ignored;
      listener->acceptor.close(ignored);
      if (!listener->unix_path.empty()) {
        ::unlink(listener->unix_path.c_str());
      }
    }
  }

  async::IoPool& pool;
  std::shared_ptr<ServerCore> core;
  async::TaskGroup acceptors;
  std::list<std::unique_ptr<Listener>> listeners;
};

namespace {

Error socket_error(const std::string& what, const boost::system::error_code& error) {
  return {Code::unavailable, what + ": " + error.message()};
}

Status open_acceptor(Acceptor& acceptor,
                     const Generic::endpoint& endpoint,
                     const std::string& name) {
  boost::system::error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (!error && endpoint.protocol().family() != AF_UNIX) {
    acceptor.set_option(asio::socket_base::reuse_address(true), error);
  }
  if (!error) {
    acceptor.bind(endpoint, error);
  }
  return error ? socket_error("cannot listen on " + name, error) : ok();
}

Status begin_listening(Acceptor& acceptor, const std::string& name) {
  boost::system::error_code error;
  acceptor.listen(4096, error);
  return error ? socket_error("cannot listen on " + name, error) : ok();
}

/// Removes a socket file that a dead process left behind.
Status clear_stale_socket(async::IoPool& pool, const std::string& path) {
  struct stat info {};

  if (::lstat(path.c_str(), &info) != 0) {
    return ok();
  }
  if (!S_ISSOCK(info.st_mode)) {
    return Error{Code::already_exists, path + " exists and is no socket"};
  }
  asio::local::stream_protocol::socket probe(pool.executor());
  boost::system::error_code error;
  probe.connect(asio::local::stream_protocol::endpoint(path), error);
  if (!error) {
    return Error{Code::already_exists, "another process listens on " + path};
  }
  ::unlink(path.c_str());
  return ok();
}

}  // namespace

Server::Server(async::IoPool& pool, Handler& handler, ServerOptions options, const Clock& clock)
    : impl_(std::make_unique<Impl>(pool, handler, std::move(options), clock)) {}

Server::~Server() {
  impl_->unlink_sockets();
}

Result<std::uint16_t> Server::listen(const std::string& address,
                                     std::uint16_t port,
                                     std::shared_ptr<TlsContext> tls) {
  const std::string name = address + ":" + std::to_string(port);
  boost::system::error_code error;
  const auto ip = asio::ip::make_address(address, error);
  if (error) {
    return Error{Code::invalid, "cannot listen on " + name + ": the address is no IP address"};
  }
  auto listener = std::make_unique<Listener>(impl_->pool.strand(), std::move(tls));
  TRY_STATUS(open_acceptor(listener->acceptor, asio::ip::tcp::endpoint(ip, port), name));
  TRY_STATUS(begin_listening(listener->acceptor, name));
  const auto bound = listener->acceptor.local_endpoint(error);
  if (error) {
    return socket_error("cannot listen on " + name, error);
  }
  asio::ip::tcp::endpoint place;
  place.resize(bound.size());
  std::memcpy(place.data(), bound.data(), bound.size());
  impl_->listeners.push_back(std::move(listener));
  return place.port();
}

Status Server::listen_unix(const std::string& path, unsigned int mode) {
  if (path.size() >= sizeof(sockaddr_un{}.sun_path)) {
    return Error{Code::invalid, "the path is too long for a unix socket: " + path};
  }
  TRY_STATUS(clear_stale_socket(impl_->pool, path));
  auto listener = std::make_unique<Listener>(impl_->pool.strand(), nullptr);
  TRY_STATUS(open_acceptor(listener->acceptor, asio::local::stream_protocol::endpoint(path), path));
  listener->unix_path = path;
  // Before listen(): nobody can connect while the permissions are not right yet.
  if (::chmod(path.c_str(), mode) != 0) {
    return Error{Code::unavailable, "cannot set the permissions of " + path};
  }
  TRY_STATUS(begin_listening(listener->acceptor, path));
  impl_->listeners.push_back(std::move(listener));
  return ok();
}

void Server::run() {
  for (const auto& listener : impl_->listeners) {
    impl_->acceptors.spawn_on(listener->strand, accept(*impl_, *listener));
  }
}

Task<void> Server::accept(Impl& impl, Listener& listener) {
  const auto core = impl.core;
  while (true) {
    const auto strand = impl.pool.strand();
    auto [error, socket] = co_await listener.acceptor.async_accept(strand, kAwait);
    if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) {
      co_return;
    }
    if (error) {
      // Out of descriptors, mostly: waiting is all that helps.
      log::warning("net", "{}: accept: {}", core->options.name, error.message());
      co_await async::sleep_for(std::chrono::milliseconds(100));
      continue;
    }
    const auto admission = core->admit(address_bytes(socket));
    if (admission.closes) {
      continue;  // closes it
    }
    set_connection_options(socket);
    auto transport = std::make_unique<Transport>(std::move(socket), core->clock);
    if (listener.tls) {
      transport->use_tls(std::make_unique<TlsEngine>(*listener.tls, ""));
    }
    auto connection = std::make_shared<Connection>(core, std::move(transport), admission.refusal);
    core->group.spawn_on(strand, Connection::serve(std::move(connection)));
  }
}

void Server::take(const asio::any_io_executor& strand, std::unique_ptr<Stream> stream, Peer peer) {
  const auto& core = impl_->core;
  core->group.spawn_on(strand, serve_stream(core, std::move(stream), std::move(peer)));
}

Task<void> Server::stop() {
  co_await impl_->acceptors.stop();
  impl_->unlink_sockets();
  impl_->begin_drain();
  const auto step = std::chrono::milliseconds(5);
  auto left = impl_->core->options.drain_limit;
  while (impl_->core->group.size() > 0 && left.count() > 0) {
    co_await async::sleep_for(step);
    left -= step;
  }
  co_await impl_->core->group.stop();
}

void Server::stop_and_wait() {
  impl_->acceptors.stop_and_wait();
  impl_->unlink_sockets();
  impl_->begin_drain();
  impl_->core->wait_until_empty();
  impl_->core->group.stop_and_wait();
}

std::size_t Server::connections() const {
  return impl_->core->open_connections();
}

}  // namespace tetrarch::net
