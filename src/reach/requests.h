// SPDX-License-Identifier: Apache-2.0
// Requests: what an agent asks of its server, each over a stream of the connection that its Dialer
// keeps, so that an idle agent costs the server one connection and not three. Where that connection
// is not there, or the server is of a version that takes no streams, over connections of their own.
// Made by app, used by client/http. Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string_view>

#include "net/client.h"
#include "reach/dialer.h"

namespace tetrarch::reach {

/// What a stream begins with that carries one request of HTTP/1.1 and its answer.
inline constexpr std::string_view kApiStream = R"({"kind":"api"})";

class Requests final : public net::Requests {
 public:
  struct Options {
    std::chrono::nanoseconds request_limit = std::chrono::seconds(30);  ///< a stream's: to its head
    std::chrono::nanoseconds silence_limit =
        std::chrono::minutes(10);  ///< between two pieces of a stream
    std::chrono::nanoseconds connect_limit =
        std::chrono::seconds(6);  ///< so long a stream waits for it: longer than a Dialer's pause
    std::size_t under_way_max = 32;  ///< more at once take connections of their own
    std::uint64_t response_bytes_max = 256 * 1024 * 1024;
  };

  /// Both outlive it.
  Requests(Dialer& dialer, net::Client& direct) : Requests(dialer, direct, Options()) {}

  Requests(Dialer& dialer, net::Client& direct, Options options)
      : dialer_(dialer), direct_(direct), options_(options) {}

  Task<Result<net::Response>> request(net::ClientRequest request) override;
  Task<Result<std::unique_ptr<net::ResponseStream>>> stream(net::ClientRequest request) override;

 private:
  Result<std::unique_ptr<net::Stream>> open();
  Task<Result<net::Response>> ask(std::unique_ptr<net::Stream> stream, net::ClientRequest request);
  Task<Result<std::unique_ptr<net::ResponseStream>>> begin(std::unique_ptr<net::Stream> stream,
                                                           net::ClientRequest request);
  Task<void> wait_for_connection();
  /// Whether it is worth asking once more, over a connection of its own.
  bool note_failure(const Error& why, std::string_view method);
  void note_success();
  net::ClientRequest with_host(net::ClientRequest request) const;

  Dialer& dialer_;
  net::Client& direct_;
  const Options options_;
  std::atomic<std::size_t> under_way_ = 0;
  std::atomic<bool> has_gone_direct_ = false;  // since connections were last closed
};

}  // namespace tetrarch::reach
