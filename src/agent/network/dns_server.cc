// SPDX-License-Identifier: Apache-2.0
#include "agent/network/dns_server.h"

#include <array>
#include <sstream>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>

#include "agent/network/dns_message.h"
#include "async/task_group.h"
#include "base/log.h"

namespace tetrarch::agent::network {
namespace {

using asio::ip::tcp;
using asio::ip::udp;

constexpr std::string_view kRoom = "dns";
constexpr std::chrono::seconds kUpstreamPatience{2};
constexpr std::chrono::seconds kConnectionPatience{10};
/// Questions under way to other servers; beyond it they fail at once, which resolvers try again.
constexpr std::size_t kForwardsMax = 256;
constexpr std::size_t kConnectionsMax = 128;

struct Upstream {
  asio::ip::address address;
  std::uint16_t port;
};

std::vector<Upstream> parse_upstreams(const std::vector<std::string>& texts) {
  std::vector<Upstream> out;
  for (const std::string& text : texts) {
    const auto colon = text.find(':');
    boost::system::error_code error;
    const auto address = asio::ip::make_address_v4(text.substr(0, colon), error);
    if (!error) {
      const int port = colon == std::string::npos ? 53 : std::atoi(text.c_str() + colon + 1);
      out.push_back({address, static_cast<std::uint16_t>(port)});
    }
  }
  return out;
}

/// Closes a socket when a deadline passes first.
template <class Socket>
class Deadline {
 public:
  Deadline(Socket& socket, std::chrono::nanoseconds after) : timer_(socket.get_executor(), after) {
    timer_.async_wait([&socket](const boost::system::error_code& error) {
      if (!error) {
        boost::system::error_code ignored;
        socket.close(ignored);
      }
    });
  }

 private:
  asio::steady_timer timer_;  // its end cancels the wait
};

std::string with_id(std::string wire, std::uint16_t id) {
  wire[0] = static_cast<char>(id >> 8);
  wire[1] = static_cast<char>(id & 255);
  return wire;
}

/// One question to one server over UDP, under an id of our own so that answers cannot be guessed.
Task<std::string> ask_udp(Upstream upstream, std::string query, std::uint16_t id) {
  udp::socket socket(co_await asio::this_coro::executor, udp::v4());
  const Deadline deadline(socket, kUpstreamPatience);
  auto [connect_error] =
      co_await socket.async_connect(udp::endpoint(upstream.address, upstream.port), kAwait);
  const auto wire = with_id(query, id);
  std::string reply;
  auto [send_error, sent] = co_await socket.async_send(asio::buffer(wire), kAwait);
  std::array<char, 4096> buffer;
  while (!connect_error && !send_error) {
    auto [error, size] = co_await socket.async_receive(asio::buffer(buffer), kAwait);
    if (error || size < 12) {
      break;
    }
    if (buffer[0] == wire[0] && buffer[1] == wire[1]) {
      reply.assign(buffer.data(), size);
      reply.replace(0, 2, query, 0, 2);
      break;
    }
  }
  co_return reply;
}

/// Reads one message with its two bytes of length (RFC 1035 section 4.2.2); empty at the end.
Task<std::string> read_message(tcp::socket& socket) {
  std::array<unsigned char, 2> length;
  auto [error, got] = co_await asio::async_read(socket, asio::buffer(length), kAwait);
  std::string message;
  if (error) {
    co_return message;
  }
  message.resize(static_cast<std::size_t>(length[0]) << 8 | length[1]);
  auto [body_error, body] = co_await asio::async_read(socket, asio::buffer(message), kAwait);
  if (body_error) {
    message.clear();
  }
  co_return message;
}

Task<bool> write_message(tcp::socket& socket, std::string message) {
  const std::array<char, 2> length = {static_cast<char>(message.size() >> 8),
                                      static_cast<char>(message.size() & 255)};
  message.insert(0, length.data(), length.size());
  auto [error, sent] = co_await asio::async_write(socket, asio::buffer(message), kAwait);
  co_return !error;
}

Task<std::string> ask_tcp(Upstream upstream, std::string query) {
  tcp::socket socket(co_await asio::this_coro::executor, tcp::v4());
  const Deadline deadline(socket, kUpstreamPatience);
  auto [error] =
      co_await socket.async_connect(tcp::endpoint(upstream.address, upstream.port), kAwait);
  std::string reply;
  if (error) {
    co_return reply;
  }
  const bool is_sent = co_await write_message(socket, std::move(query));
  if (is_sent) {
    reply = co_await read_message(socket);
  }
  co_return reply;
}

}  // namespace

struct DnsServer::Impl {
  Impl(DnsOptions given, const DnsZone& from, Random& chance)
      : options(std::move(given)),
        zone(from),
        random(chance),
        upstreams(parse_upstreams(options.upstreams)) {}

  boost::system::error_code bind(const asio::any_io_executor& strand,
                                 const asio::ip::address_v4& address);
  Task<void> serve_udp();
  Task<void> serve_tcp();
  Task<void> serve_connection(std::shared_ptr<tcp::socket> socket);
  Task<void> forward_udp(std::string query, udp::endpoint client);
  /// What another server says, or that nobody could. Empty where the query is unreadable: such are
  /// dropped, not passed on.
  Task<std::string> forward(std::string query, bool is_tcp);
  Task<std::string> ask(std::string query, bool is_tcp);
  Task<std::string> follow_alias(std::string query, std::string target, bool is_tcp);
  /// Where a name of ours is an alias of a name of others: that name; else empty.
  std::string foreign_alias(std::string_view query) const;
  /// The answer, or empty: ask elsewhere.
  std::string answer(std::string_view query, std::size_t size_max_or_0) const;

  DnsOptions options;
  const DnsZone& zone;
  Random& random;
  std::vector<Upstream> upstreams;
  std::unique_ptr<async::TaskGroup> group;
  std::unique_ptr<udp::socket> datagrams;
  std::unique_ptr<tcp::acceptor> acceptor;
  std::size_t forwards = 0;
  std::size_t connections = 0;
};

std::string DnsServer::Impl::answer(std::string_view query, std::size_t size_max_or_0) const {
  const auto read = read_query(query);
  if (!read.ok()) {
    return write_failure(query);
  }
  const auto found = zone.answer(read->name, read->type);
  const auto size_max = size_max_or_0 == 0 ? 0 : read->size_max;
  if (!foreign_alias(query).empty()) {
    return "";
  }
  return found ? write_answer(query, *found, zone.domain(), size_max) : "";
}

std::string DnsServer::Impl::foreign_alias(std::string_view query) const {
  const auto read = read_query(query);
  const auto found = read.ok() ? zone.answer(read->name, read->type) : std::nullopt;
  auto target = found ? open_alias(*found, read->type) : "";
  return target.empty() || zone.answer(target, read->type) ? "" : target;
}

Task<std::string> DnsServer::Impl::forward(std::string query, bool is_tcp) {
  std::string reply;
  if (!read_query(query)) {
    reply = write_failure(query);
    co_return reply;
  }
  auto target = foreign_alias(query);
  if (target.empty()) {
    reply = co_await ask(query, is_tcp);
    if (reply.empty()) {
      reply = write_failure(query);
    }
  } else {
    reply = co_await follow_alias(std::move(query), std::move(target), is_tcp);
  }
  co_return reply;
}

/// Without an answer from there, the alias alone is still true.
Task<std::string> DnsServer::Impl::follow_alias(std::string query,
                                                std::string target,
                                                bool is_tcp) {
  const auto other = co_await ask(write_query_for(query, target), is_tcp);
  const auto read = read_query(query);
  const auto found = zone.answer(read->name, read->type);  // anew: it may have changed meanwhile
  const auto own = write_answer(query, found ? *found : Answer{}, zone.domain(), 0);
  co_return join_answers(own, other, is_tcp ? 0 : read->size_max);
}

/// Empty where nobody answers, or where there is no question to ask.
Task<std::string> DnsServer::Impl::ask(std::string query, bool is_tcp) {
  std::string reply;
  const auto servers = query.empty() ? 0 : upstreams.size();
  for (std::size_t i = 0; i < servers && reply.empty(); ++i) {
    // g++ 12 destroys temporaries twice where a co_await stands in a conditional expression.
    if (is_tcp) {
      reply = co_await ask_tcp(upstreams[i], query);
    } else {
      const auto id = static_cast<std::uint16_t>(random.next());
      reply = co_await ask_udp(upstreams[i], query, id);
    }
  }
  co_return reply;
}

Task<void> DnsServer::Impl::forward_udp(std::string query, udp::endpoint client) {
  struct Count {
    std::size_t& value;

    ~Count() { --value; }
  };

  ++forwards;
  const Count count{forwards};
  const auto reply = co_await forward(std::move(query), false);
  if (!reply.empty()) {
    co_await datagrams->async_send_to(asio::buffer(reply), client, kAwait);
  }
}

Task<void> DnsServer::Impl::serve_udp() {
  std::array<char, 4096> buffer;
  while (true) {
    udp::endpoint client;
    auto [error, size] =
        co_await datagrams->async_receive_from(asio::buffer(buffer), client, kAwait);
    if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) {
      co_return;
    }
    if (error || size < 12) {
      continue;
    }
    std::string query(buffer.data(), size);
    auto reply = answer(query, 512);
    if (reply.empty() && forwards < kForwardsMax) {
      group->spawn(forward_udp(std::move(query), client));
      continue;
    }
    if (reply.empty()) {
      reply = write_failure(query);
    }
    co_await datagrams->async_send_to(asio::buffer(reply), client, kAwait);
  }
}

Task<void> DnsServer::Impl::serve_connection(std::shared_ptr<tcp::socket> socket) {
  struct Count {
    std::size_t& value;

    ~Count() { --value; }
  };

  const Count count{connections};
  while (true) {
    const Deadline deadline(*socket, kConnectionPatience);
    auto query = co_await read_message(*socket);
    if (query.size() < 12) {
      co_return;
    }
    auto reply = answer(query, 0);
    if (reply.empty()) {
      reply = co_await forward(query, true);
    }
    if (reply.empty()) {
      co_return;
    }
    const bool is_sent = co_await write_message(*socket, std::move(reply));
    if (!is_sent) {
      co_return;
    }
  }
}

Task<void> DnsServer::Impl::serve_tcp() {
  while (true) {
    auto socket = std::make_shared<tcp::socket>(acceptor->get_executor());
    auto [error] = co_await acceptor->async_accept(*socket, kAwait);
    if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) {
      co_return;
    }
    // Beyond the limit the socket closes here; resolvers fall back to another try.
    if (!error && connections < kConnectionsMax) {
      ++connections;
      group->spawn(serve_connection(std::move(socket)));
    }
  }
}

DnsServer::DnsServer(DnsOptions options, const DnsZone& zone, Random& random)
    : impl_(std::make_unique<Impl>(std::move(options), zone, random)) {}

DnsServer::~DnsServer() = default;

/// One port for both. Where any will do, one that is free for datagrams may be taken for streams:
/// then another.
boost::system::error_code DnsServer::Impl::bind(const asio::any_io_executor& strand,
                                                const asio::ip::address_v4& address) {
  constexpr int kTries = 16;
  boost::system::error_code error;
  for (int i = 0; i < kTries; ++i) {
    datagrams = std::make_unique<udp::socket>(strand, udp::v4());
    acceptor = std::make_unique<tcp::acceptor>(strand, tcp::v4());
    acceptor->set_option(tcp::acceptor::reuse_address(true), error);
    datagrams->bind({address, options.port}, error);
    if (error) {
      return error;
    }
    acceptor->bind({address, datagrams->local_endpoint().port()}, error);
    if (!error || options.port != 0) {
      return error;
    }
  }
  return error;
}

Status DnsServer::start(asio::any_io_executor strand) {
  boost::system::error_code error;
  const auto address = asio::ip::make_address_v4(impl_->options.address, error);
  if (!error) {
    error = impl_->bind(strand, address);
  }
  if (!error) {
    impl_->acceptor->listen(128, error);
  }
  if (error) {
    return Error{Code::unavailable,
                 fmt::format("DNS cannot listen on {}:{}: {}",
                             impl_->options.address,
                             impl_->options.port,
                             error.message())};
  }
  impl_->group = std::make_unique<async::TaskGroup>(strand, std::string(kRoom));
  impl_->group->spawn(impl_->serve_udp());
  impl_->group->spawn(impl_->serve_tcp());
  return ok();
}

Task<void> DnsServer::stop() {
  if (impl_->group) {
    co_await impl_->group->stop();
  }
  boost::system::error_code ignored;
  if (impl_->datagrams) {
    impl_->datagrams->close(ignored);
    impl_->acceptor->close(ignored);
  }
}

std::uint16_t DnsServer::port() const {
  return impl_->datagrams->local_endpoint().port();
}

std::vector<std::string> read_upstreams(const std::string& resolv_conf, const std::string& except) {
  std::vector<std::string> out;
  std::istringstream lines(resolv_conf);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word;
    std::string address;
    if (words >> word >> address && word == "nameserver" && address != except &&
        parse_ipv4(address)) {
      out.push_back(address);
    }
  }
  return out;
}

}  // namespace tetrarch::agent::network
