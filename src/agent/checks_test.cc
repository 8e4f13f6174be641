// SPDX-License-Identifier: Apache-2.0
// Checks of a server on loopback.
#include "agent/checks.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/fake_runtime.h"
#include "async/io_pool.h"
#include "net/server.h"

namespace tetrarch::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// Answers all requests with one status.
class Answering final : public net::Handler {
 public:
  explicit Answering(int status) : status_(status) {}

  Task<void> handle(net::Request request, net::Exchange& exchange) override {
    asked.push_back(fmt::format(
        "{} {} {}", request.path, request.headers.get("Host"), request.headers.get("User-Agent")));
    (void)co_await exchange.respond(status_, net::Headers(), std::string());
  }

  std::vector<std::string> asked;  ///< read when the server has stopped

 private:
  int status_;
};

class ChecksTest : public testing::Test {
 protected:
  /// One check of a server that answers with `status`; "{}" in `handler` is its port.
  CheckResult check(std::string_view handler, int status, bool is_hook = false) {
    Answering answering(status);
    net::Server server(pool_, answering, net::ServerOptions{});
    port_ = server.listen("127.0.0.1", 0, nullptr).value();
    server.run();
    CheckTarget target;
    target.owner = Document::parse(fmt::format(fmt::runtime(handler), port_)).value();
    target.handler = target.owner->root();
    target.pod_ip = "127.0.0.1";
    target.is_hook = is_hook;
    auto result = asio::co_spawn(pool_.strand(),
                                 run_check(runtime_, std::move(target), std::chrono::seconds(20)),
                                 asio::use_future)
                      .get();
    server.stop_and_wait();
    asked_ = std::move(answering.asked);
    return result;
  }

  async::IoPool pool_{1};
  FakeRuntime runtime_{system_clock()};
  int port_ = 0;
  std::vector<std::string> asked_;
};

TEST_F(ChecksTest, AProbeLooksAtTheStatus) {
  constexpr auto kHandler = R"({{"httpGet":{{"path":"healthz","port":{}}}}})";

  EXPECT_TRUE(check(kHandler, 204).is_success);
  const auto refused = check(kHandler, 404);

  EXPECT_FALSE(refused.is_success);
  EXPECT_EQ(refused.message, "HTTP probe failed with statuscode: 404");
  EXPECT_THAT(asked_, ElementsAre(fmt::format("/healthz 127.0.0.1:{} kube-probe/1.35", port_)));
}

TEST_F(ChecksTest, AHookTakesAnyAnswer) {
  constexpr auto kHandler = R"({{"httpGet":{{"path":"/bye","port":{}}}}})";

  EXPECT_TRUE(check(kHandler, 404, true).is_success);
  EXPECT_TRUE(check(kHandler, 500, true).is_success);

  EXPECT_THAT(asked_, ElementsAre(fmt::format("/bye 127.0.0.1:{} kube-lifecycle/1.35", port_)));
}

TEST_F(ChecksTest, AHookWithoutAnAnswerFails) {
  const auto failed = check(R"({{"httpGet":{{"port":{},"host":"127.0.0.2"}}}})", 200, true);

  EXPECT_FALSE(failed.is_success);
  EXPECT_THAT(failed.message, HasSubstr("connection refused"));
}

TEST_F(ChecksTest, AHostMayBeAName) {
  EXPECT_TRUE(check(R"({{"tcpSocket":{{"port":{},"host":"localhost"}}}})", 200).is_success);
  EXPECT_TRUE(check(R"({{"httpGet":{{"port":{},"host":"localhost"}}}})", 200).is_success);

  EXPECT_THAT(asked_, ElementsAre(fmt::format("/ localhost:{} kube-probe/1.35", port_)));
}

}  // namespace
}  // namespace tetrarch::agent
