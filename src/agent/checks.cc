// SPDX-License-Identifier: Apache-2.0
#include "agent/checks.h"

#include <array>
#include <charconv>
#include <memory>
#include <vector>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>
#include <openssl/ssl.h>

#include "agent/check_texts.h"
#include "agent/runtime/grpc_health.h"
#include "async/timer.h"

namespace tetrarch::agent {
namespace {

using asio::ip::tcp;
using std::chrono::milliseconds;

/// Source: Kubernetes pkg/probe/http, userAgent (1.35).
constexpr std::string_view kProbeAgent = "kube-probe/1.35";
constexpr std::string_view kHookAgent = "kube-lifecycle/1.35";

/// A socket that a timer closes: every operation on it ends by then. Lives in the coroutine.
class LimitedSocket {
 public:
  LimitedSocket(asio::any_io_executor executor, milliseconds limit)
      : shared_(std::make_shared<Shared>(executor)),
        timer_(std::make_shared<asio::steady_timer>(executor, limit)) {
    timer_->async_wait([shared = shared_](const boost::system::error_code& error) {
      if (!error) {
        shared->is_over = true;
        boost::system::error_code ignored;
        shared->socket.close(ignored);
      }
    });
  }

  ~LimitedSocket() { timer_->cancel(); }

  LimitedSocket(const LimitedSocket&) = delete;
  LimitedSocket& operator=(const LimitedSocket&) = delete;

  tcp::socket& socket() { return shared_->socket; }

  /// A socket that opens from now on would have no limit.
  bool is_over() const { return shared_->is_over; }

  asio::steady_timer::time_point end() const { return timer_->expiry(); }

 private:
  /// With the timer's handler.
  struct Shared {
    explicit Shared(const asio::any_io_executor& executor) : socket(executor) {}

    tcp::socket socket;
    bool is_over = false;
  };

  std::shared_ptr<Shared> shared_;
  std::shared_ptr<asio::steady_timer>
      timer_;  // shared with nothing that outlives us but its own handler
};

/// Asio looks names up in one thread of each context. Pods say what is looked up here, and a name
/// whose servers hang takes a minute: whom the agent dials is not to wait behind it. Never ends, as
/// its end would wait as long.
asio::thread_pool& lookups() {
  static auto* const pool = std::make_unique<asio::thread_pool>(1).release();
  return *pool;
}

/// One question to the system's resolver. Shared with its answer, which may come long after the
/// check: getaddrinfo cannot be stopped once it asks.
struct Lookup {
  explicit Lookup(const asio::any_io_executor& executor)
      : resolver(lookups()), answered(executor) {}

  tcp::resolver resolver;
  asio::steady_timer answered;
  boost::system::error_code failure = asio::error::operation_aborted;
  std::vector<tcp::endpoint> endpoints;
};

Task<std::shared_ptr<Lookup>> look_up(LimitedSocket& at, std::string host, int port) {
  const auto lookup = std::make_shared<Lookup>(co_await asio::this_coro::executor);
  lookup->answered.expires_at(at.end());
  auto take = [lookup](const boost::system::error_code& error,
                       const tcp::resolver::results_type& found) {
    lookup->failure = error;
    lookup->endpoints.assign(found.begin(), found.end());
    lookup->answered.cancel();
  };
  lookup->resolver.async_resolve(
      host,
      std::to_string(port),
      asio::bind_executor(lookup->answered.get_executor(), std::move(take)));
  co_await lookup->answered.async_wait(kAwait);
  lookup->resolver.cancel();
  co_return lookup;
}

int port_of(const CheckTarget& target, object::View port) {
  if (port.is_number()) {
    return static_cast<int>(port.integer());
  }
  for (const auto entry : target.container["ports"].elements()) {
    if (entry["name"].string() == port.string()) {
      return static_cast<int>(entry["containerPort"].integer());
    }
  }
  int number = 0;
  const auto text = port.string();
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

/// To the first address that takes it. Empty, or why there is no connection.
Task<std::string> connect_first(LimitedSocket& at, std::vector<tcp::endpoint> endpoints, int port) {
  std::string fault;
  for (const auto& endpoint : endpoints) {
    const auto name = authority(endpoint.address().to_string(), port);
    if (at.is_over()) {
      co_return dial_fault(name, asio::error::operation_aborted);
    }
    const auto [failure] = co_await at.socket().async_connect(endpoint, kAwait);
    if (!failure) {
      co_return std::string();
    }
    fault = dial_fault(name, failure);
    boost::system::error_code ignored;
    at.socket().close(ignored);  // the next address may be of the other family
  }
  co_return fault;
}

bool is_address(const std::string& host) {
  boost::system::error_code error;
  asio::ip::make_address(host, error);
  return !error;
}

Task<std::string> connect(LimitedSocket& at, std::string host, int port) {
  std::vector<tcp::endpoint> endpoints;
  if (!is_address(host)) {
    const auto lookup = co_await look_up(at, host, port);
    if (lookup->failure) {
      co_return lookup_fault(host, lookup->failure);
    }
    endpoints = lookup->endpoints;
  } else {
    endpoints.emplace_back(asio::ip::make_address(host), static_cast<std::uint16_t>(port));
  }
  co_return co_await connect_first(at, std::move(endpoints), port);
}

Task<CheckResult> check_tcp(CheckTarget target, object::View handler, milliseconds limit) {
  LimitedSocket at(co_await asio::this_coro::executor, limit);
  const auto given = handler["host"].string();
  const std::string host(given.empty() ? std::string_view(target.pod_ip) : given);
  auto failure = co_await connect(at, host, port_of(target, handler["port"]));
  co_return CheckResult{failure.empty(), std::move(failure)};
}

/// Source: Kubernetes documentation, HTTP probes: 200 to 399 is success.
CheckResult judge_http(const std::string& response) {
  int status = 0;
  if (response.starts_with("HTTP/1.") && response.size() > 12) {
    std::from_chars(response.data() + 9, response.data() + 12, status);
  }
  if (status >= 200 && status < 400) {
    return {true};
  }
  return {false, fmt::format("HTTP probe failed with statuscode: {}", status)};
}

/// Whether what was read is the beginning of an HTTP answer.
bool is_http(const std::string& response) {
  constexpr std::size_t kStatusEnd = 12;  // "HTTP/1.1 200"
  return response.starts_with("HTTP/1.") && response.size() >= kStatusEnd;
}

template <class Stream>
Task<CheckResult> talk_http(Stream& stream, std::string request, std::string url, bool is_hook) {
  const auto [write_error, written] =
      co_await asio::async_write(stream, asio::buffer(request), kAwait);
  std::string response;
  std::array<char, 1024> buffer;
  boost::system::error_code failure = write_error;
  while (!failure && response.size() < 16) {
    const auto [error, n] = co_await stream.async_read_some(asio::buffer(buffer), kAwait);
    response.append(buffer.data(), n);
    failure = error;
  }
  static_cast<void>(written);
  if (is_http(response)) {
    // Source: Kubernetes pkg/kubelet/lifecycle, runHTTPHandler (1.35): hooks look at no status.
    auto judged = is_hook ? CheckResult{true} : judge_http(response);
    co_return judged;
  }
  auto fault = response.empty() || failure ? answer_fault(failure)
                                           : "net/http: HTTP/1.x transport connection broken: "
                                             "malformed HTTP response";
  co_return CheckResult{false, get_fault(url, fault)};
}

Task<CheckResult> check_http(CheckTarget target, object::View handler, milliseconds limit) {
  LimitedSocket at(co_await asio::this_coro::executor, limit);
  const auto given = handler["host"].string();
  const std::string host(given.empty() ? std::string_view(target.pod_ip) : given);
  const int port = port_of(target, handler["port"]);
  auto url = url_of(handler, host, port);
  if (auto failure = co_await connect(at, host, port); !failure.empty()) {
    co_return CheckResult{false, get_fault(url, failure)};
  }
  auto request = http_request(handler, host, port, target.is_hook ? kHookAgent : kProbeAgent);
  if (handler["scheme"].string() != "HTTPS") {
    co_return co_await talk_http(at.socket(), std::move(request), std::move(url), target.is_hook);
  }
  // Source: Kubernetes documentation: the certificate of an HTTPS probe is not verified.
  asio::ssl::context context(asio::ssl::context::tls_client);
  asio::ssl::stream<tcp::socket&> stream(at.socket(), context);
  if (!is_address(host)) {
    SSL_set_tlsext_host_name(stream.native_handle(), host.c_str());
  }
  const auto [error] = co_await stream.async_handshake(asio::ssl::stream_base::client, kAwait);
  if (error) {
    const auto fault = error.category() == asio::error::get_ssl_category()
                           ? "tls: " + error.message()
                           : answer_fault(error);
    co_return CheckResult{false, get_fault(url, fault)};
  }
  co_return co_await talk_http(stream, std::move(request), std::move(url), target.is_hook);
}

Task<CheckResult> check_exec(runtime::Runtime& runtime,
                             CheckTarget target,
                             object::View handler,
                             milliseconds limit) {
  std::vector<std::string> command;
  for (const auto word : handler["command"].elements()) {
    command.emplace_back(word.string());
  }
  auto late = command_timeout(command);
  const auto ran = co_await runtime.exec(target.container_id, std::move(command), limit);
  if (!ran.ok()) {
    const bool is_late = ran.error().code == Code::timeout;
    co_return CheckResult{false, is_late ? std::move(late) : ran.error().message};
  }
  co_return CheckResult{ran->exit_code == 0, ran->out + ran->err};
}

}  // namespace

Task<CheckResult> run_check(runtime::Runtime& node_runtime,
                            CheckTarget target,
                            milliseconds limit) {
  if (const auto exec = target.handler["exec"]) {
    co_return co_await check_exec(node_runtime, target, exec, limit);
  }
  if (const auto http = target.handler["httpGet"]) {
    co_return co_await check_http(target, http, limit);
  }
  if (const auto tcp_socket = target.handler["tcpSocket"]) {
    co_return co_await check_tcp(target, tcp_socket, limit);
  }
  if (const auto grpc = target.handler["grpc"]) {
    const auto checked = co_await runtime::check_grpc_health(
        fmt::format("{}:{}", target.pod_ip, grpc["port"].integer()),
        std::string(grpc["service"].string()),
        limit);
    co_return CheckResult{checked.ok(), checked.ok() ? std::string() : checked.error().message};
  }
  if (const auto sleep = target.handler["sleep"]) {
    co_await async::sleep_for(std::min<std::chrono::nanoseconds>(
        std::chrono::seconds(sleep["seconds"].integer()), limit));
  }
  co_return CheckResult{true};
}

}  // namespace tetrarch::agent
