// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes documentation, "Use Port Forwarding": the connection is made from within the
// pod, so it also reaches what listens on the pod's loopback address alone.
#include "agent/port_forward.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>
#include <sys/socket.h>

#include "agent/runtime/on_pool.h"
#include "async/timer.h"
#include "async/together.h"
#include "base/check.h"
#include "reach/answer.h"

namespace tetrarch::agent {
namespace {

using asio::ip::tcp;

constexpr std::size_t kChunk = 32768;
constexpr std::chrono::seconds kConnectLimit{10};

struct Descriptor {
  explicit Descriptor(int fd) : number(fd) {}

  ~Descriptor() {
    if (number >= 0) {
      ::close(number);
    }
  }

  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  const int number;
};

/// Both ends of one connection, with what becomes of them.
struct Forward {
  net::Stream& stream;
  tcp::socket& socket;

  /// One side has failed: neither direction goes on.
  void give_up() const {
    boost::system::error_code ignored;
    socket.close(ignored);
    stream.close();
  }
};

Task<void> copy_in(Forward& forward) {
  std::string buffer(kChunk, '\0');
  while (true) {
    const auto count = co_await forward.stream.read(buffer.data(), buffer.size());
    if (count.ok() && *count == 0) {
      boost::system::error_code ignored;
      forward.socket.shutdown(tcp::socket::shutdown_send, ignored);
      co_return;
    }
    if (!count.ok()) {
      break;
    }
    const auto [error, n] =
        co_await asio::async_write(forward.socket, asio::buffer(buffer.data(), *count), kAwait);
    if (error) {
      break;
    }
  }
  forward.give_up();
}

Task<void> copy_out(Forward& forward) {
  std::string buffer(kChunk, '\0');
  while (true) {
    const auto [error, n] = co_await forward.socket.async_read_some(asio::buffer(buffer), kAwait);
    if (error == asio::error::eof) {
      const auto ended = co_await forward.stream.shut_write();
      if (ended.ok()) {
        co_return;
      }
    }
    if (error) {
      break;
    }
    const auto written = co_await forward.stream.write(std::string_view(buffer).substr(0, n));
    if (!written.ok()) {
      break;
    }
  }
  forward.give_up();
}

/// To localhost, by IPv4 and then by IPv6, as programs listen on either.
Task<Result<tcp::socket>> connect_inside(async::BlockingPool& blocking,
                                         std::filesystem::path network,
                                         std::uint16_t port) {
  tcp::socket socket(co_await asio::this_coro::executor);
  const std::array protocols = {tcp::v4(), tcp::v6()};
  std::string words;
  for (const auto& protocol : protocols) {
    auto make = [network, family = protocol.family()] {
      return socket_in_network(network, family);
    };
    CO_TRY(const int fd, co_await runtime::on_pool(blocking, std::move(make)));
    boost::system::error_code error;
    socket.close(error);
    socket.assign(protocol, fd, error);
    if (error) {
      ::close(fd);
      co_return Error{Code::internal, "cannot use a socket in the pod: " + error.message()};
    }
    const auto address = protocol == tcp::v4()
                             ? asio::ip::address(asio::ip::address_v4::loopback())
                             : asio::ip::address(asio::ip::address_v6::loopback());
    const tcp::endpoint endpoint(address, port);
    const auto [failure] = co_await socket.async_connect(endpoint, kAwait);
    if (!failure) {
      co_return socket;
    }
    words +=
        fmt::format("{}{}: {}", words.empty() ? "" : ", ", address.to_string(), failure.message());
  }
  co_return Error{Code::unavailable,
                  fmt::format("cannot connect to localhost:{} inside the pod: {}", port, words)};
}

/// Left as it is where the time is over first.
Task<void> connect_to(tcp::socket& socket, tcp::endpoint endpoint, std::string& failure) {
  const auto [error] = co_await socket.async_connect(endpoint, kAwait);
  if (error != asio::error::operation_aborted) {
    failure = error ? error.message() : std::string();
  }
}

Task<void> expire() {
  co_await async::sleep_for(kConnectLimit);
}

Task<Result<tcp::socket>> connect_outside(std::string address, int port) {
  boost::system::error_code error;
  const auto ip = asio::ip::make_address(address, error);
  if (error || port <= 0 || port > 65535) {
    co_return Error{Code::malformed, "there is no address yet, or that is no port"};
  }
  const tcp::endpoint endpoint(ip, static_cast<std::uint16_t>(port));
  tcp::socket socket(co_await asio::this_coro::executor);
  std::string failure = "no answer in time";
  co_await async::first_of(connect_to(socket, endpoint, failure), expire());
  if (!failure.empty()) {
    co_return Error{Code::unavailable, fmt::format("dial tcp {}:{}: {}", address, port, failure)};
  }
  co_return socket;
}

/// Says how it went, then carries bytes both ways.
Task<void> carry(Result<tcp::socket> socket, net::Stream& stream) {
  const auto line = reach::format_answer(socket.ok() ? ok() : Status(socket.error()));
  const auto answered = co_await stream.write(line);
  if (!answered.ok() || !socket.ok()) {
    co_return;
  }
  Forward forward{stream, *socket};
  co_await async::both(copy_in(forward), copy_out(forward));
}

Task<Result<tcp::socket>> connect(runtime::Runtime& runtime,
                                  async::BlockingPool& blocking,
                                  std::string sandbox_id,
                                  int port) {
  if (sandbox_id.empty() || port <= 0 || port > 65535) {
    co_return Error{Code::malformed, "the pod has no network yet, or that is no port"};
  }
  CO_TRY(auto network, co_await runtime.network_namespace(std::move(sandbox_id)));
  co_return co_await connect_inside(blocking, std::move(network), static_cast<std::uint16_t>(port));
}

}  // namespace

Result<int> socket_in_network(const std::filesystem::path& network, int family) {
  const auto failed = [&network](std::string_view what) {
    return Error{Code::unavailable,
                 fmt::format("{} {}: {}", what, network.string(), std::strerror(errno))};
  };
  const Descriptor there(::open(network.c_str(), O_RDONLY | O_CLOEXEC));
  const Descriptor here(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (there.number < 0 || here.number < 0) {
    return failed("cannot open the pod's network");
  }
  if (::setns(there.number, CLONE_NEWNET) != 0) {
    return failed("cannot enter the pod's network");
  }
  const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const Result<int> out = fd < 0 ? Result<int>(failed("cannot make a socket in")) : fd;
  // The thread goes on to work for others: in the pod's network it must not.
  const bool is_back = ::setns(here.number, CLONE_NEWNET) == 0;
  CHECK(is_back);
  return out;
}

Task<void> serve_forward(runtime::Runtime& runtime,
                         async::BlockingPool& blocking,
                         std::string sandbox_id,
                         int port,
                         net::Stream& stream) {
  auto socket = co_await connect(runtime, blocking, std::move(sandbox_id), port);
  co_await carry(std::move(socket), stream);
}

Task<void> serve_connection(std::string address, int port, net::Stream& stream) {
  auto socket = co_await connect_outside(std::move(address), port);
  co_await carry(std::move(socket), stream);
}

}  // namespace tetrarch::agent
