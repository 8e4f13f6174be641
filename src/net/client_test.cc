// SPDX-License-Identifier: Apache-2.0
#include "net/client.h"

#include <atomic>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "async/timer.h"
#include "async/together.h"
#include "net/harness_test.h"
#include "net/pipe.h"

namespace tetrarch::net::testing {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

std::unique_ptr<Client> client_of(const TestServer& server,
                                  ClientOptions options = {},
                                  std::shared_ptr<TlsContext> tls = nullptr) {
  options.url = (tls ? "https://localhost:" : "http://127.0.0.1:") + std::to_string(server.port());
  auto made = Client::make(std::move(options), std::move(tls));
  EXPECT_TRUE(made.ok());
  return std::move(made).value();
}

ClientRequest request_of(std::string method, std::string target, std::string body = "") {
  ClientRequest request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.body = std::move(body);
  return request;
}

Result<Response> ask(TestServer& server, Client& client, ClientRequest request) {
  return wait_for(server.pool(), client.request(std::move(request)));
}

TEST(Client, SendsAndReceivesWholeMessages) {
  TestServer server;
  const auto client = client_of(server);

  const auto response = ask(server, *client, request_of("POST", "/a?b=c", "body"));

  ASSERT_TRUE(response.ok()) << response.error().message;
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->headers.get("content-type"), "text/plain");
  EXPECT_EQ(response->body, "POST\n/a\nb=c\nbody");
}

TEST(Client, KeepsItsConnectionForTheNextRequest) {
  TestServer server;
  const auto client = client_of(server);

  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(ask(server, *client, request_of("GET", "/")).ok());
  }

  EXPECT_EQ(server.server().connections(), 1U);
}

TEST(Client, OpensANewConnectionWhenTheKeptOneWasClosed) {
  ServerOptions options;
  options.idle_limit = std::chrono::milliseconds(200);
  TestServer server(echo, std::move(options));
  const auto client = client_of(server);

  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(ask(server, *client, request_of("GET", "/")).ok());
    while (server.server().connections() > 0) {
      std::this_thread::yield();
    }
  }
}

class SetClock final : public Clock {
 public:
  TimePoint now() const override { return {}; }

  SteadyPoint steady() const override { return SteadyPoint(std::chrono::seconds(seconds)); }

  std::atomic<int> seconds = 0;
};

Task<void> ask_into(Client& client, Result<Response>& answer) {
  answer = co_await client.request(request_of("GET", "/"));
}

Task<Unit> ask_twice_at_once(Client& client) {
  Result<Response> first = Error{Code::internal, "not asked"};
  Result<Response> second = first;
  co_await async::both(ask_into(client, first), ask_into(client, second));
  EXPECT_TRUE(first.ok() && second.ok());
  co_return Unit{};
}

TEST(Client, DropsAConnectionThatIsNoLongerNeeded) {
  TestServer server;
  SetClock clock;
  ClientOptions options;
  options.url = "http://127.0.0.1:" + std::to_string(server.port());
  const auto client = *Client::make(options, nullptr, clock);
  wait_for(server.pool(), ask_twice_at_once(*client));
  ASSERT_EQ(server.server().connections(), 2U);

  clock.seconds = 40;
  ASSERT_TRUE(ask(server, *client, request_of("GET", "/")).ok());
  EXPECT_EQ(server.server().connections(), 2U);
  clock.seconds = 80;
  ASSERT_TRUE(ask(server, *client, request_of("GET", "/")).ok());

  while (server.server().connections() > 1) {
    std::this_thread::yield();
  }
}

TEST(Client, SendsItsToken) {
  TestServer server([](Request request, Exchange& exchange) -> Task<void> {
    (void)co_await exchange.respond(200, {}, std::string(request.headers.get("authorization")));
  });
  ClientOptions options;
  options.bearer_token = "secret";
  const auto client = client_of(server, std::move(options));

  EXPECT_EQ(ask(server, *client, request_of("GET", "/"))->body, "Bearer secret");
}

TEST(Client, ReadsTheAnswerToARequestThatIsRefusedHalfWay) {
  TestServer server;
  const auto client = client_of(server);

  const auto response = ask(server, *client, request_of("POST", "/", std::string(20'000'000, 'x')));

  ASSERT_TRUE(response.ok()) << response.error().message;
  EXPECT_EQ(response->status, 413);
}

TEST(Client, GivesUpAtItsDeadline) {
  async::Event never;
  TestServer server([&](Request, Exchange&) -> Task<void> { co_await never.wait(); },
                    [] {
                      ServerOptions options;
                      options.drain_limit = std::chrono::milliseconds(1);
                      return options;
                    }());
  ClientOptions options;
  options.request_limit = std::chrono::milliseconds(30);
  const auto client = client_of(server, std::move(options));

  const auto response = ask(server, *client, request_of("GET", "/"));

  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().code, Code::timeout);
}

TEST(Client, SaysThatNobodyListens) {
  std::uint16_t port = 0;
  {
    const TestServer gone;
    port = gone.port();
  }
  async::IoPool pool(1);
  const auto client = Client::make({.url = "http://127.0.0.1:" + std::to_string(port)}, nullptr);

  const auto response = wait_for(pool, (*client)->request(request_of("GET", "/")));

  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().code, Code::unavailable);
  EXPECT_THAT(response.error().message, HasSubstr("cannot reach 127.0.0.1:"));
}

Task<Result<std::string>> read_stream(Client& client, ClientRequest request) {
  CO_TRY(auto stream, co_await client.stream(std::move(request)));
  std::string out = std::to_string(stream->status());
  while (true) {
    CO_TRY(const auto piece, co_await stream->read());
    if (piece.empty()) {
      co_return out;
    }
    out += "|" + piece;
  }
}

Task<void> stream_in_steps(Exchange& exchange, async::Event& next) {
  (void)co_await exchange.start(200, {});
  for (const std::string_view piece : {"one", "two"}) {
    Body body;
    body.pieces = {piece};
    (void)co_await exchange.write(std::move(body));
    co_await next.wait_for(std::chrono::milliseconds(50));
  }
  (void)co_await exchange.finish();
}

TEST(Client, ReadsAStreamAsItComes) {
  async::Event next;
  TestServer server(
      [&](Request, Exchange& exchange) -> Task<void> { co_await stream_in_steps(exchange, next); });
  const auto client = client_of(server);

  const auto text = wait_for(server.pool(), read_stream(*client, request_of("GET", "/")));

  ASSERT_TRUE(text.ok()) << text.error().message;
  EXPECT_EQ(*text, "200|one|two");
}

TEST(Client, NoticesAStreamThatBreaksOff) {
  TestServer server([](Request, Exchange& exchange) -> Task<void> {
    (void)co_await exchange.start(200, {});
    Body body;
    body.pieces = {"part"};
    (void)co_await exchange.write(std::move(body));  // and no finish
  });
  const auto client = client_of(server);

  const auto text = wait_for(server.pool(), read_stream(*client, request_of("GET", "/")));

  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().code, Code::unavailable);
}

Task<void> upgrade_to_echo(Request request, Exchange& exchange) {
  if (request.headers.get("upgrade") != "echo") {
    (void)co_await exchange.respond(403, {}, std::string("not you"));
    co_return;
  }
  Headers headers;
  headers.add("Connection", "Upgrade");
  headers.add("Upgrade", "echo");
  auto stream = co_await exchange.upgrade_raw(std::move(headers));
  std::string buffer(100'000, '\0');
  while (stream.ok()) {
    const auto got = co_await (*stream)->read(buffer.data(), buffer.size());
    if (!got.ok() || *got == 0) {
      (void)co_await (*stream)->shut_write();
      co_return;
    }
    (void)co_await (*stream)->write({buffer.data(), *got});
  }
}

Task<Status> write_all(Stream& stream, std::string text) {
  CO_TRY_STATUS(co_await stream.write(text));
  co_return co_await stream.shut_write();
}

Task<void> write_in_background(Stream& stream, std::string text) {
  (void)co_await write_all(stream, std::move(text));
}

Task<Result<std::string>> echo_through(Client& client, std::string protocol, std::string text) {
  ClientRequest request;
  request.target = "/up";
  CO_TRY(auto stream, co_await client.upgrade(std::move(request), std::move(protocol)));
  async::TaskGroup writer(co_await asio::this_coro::executor, "test");
  writer.spawn(write_in_background(*stream, std::move(text)));
  std::string out;
  std::string buffer(64 * 1024, '\0');
  while (true) {
    const auto got = co_await stream->read(buffer.data(), buffer.size());
    if (!got.ok() || *got == 0) {
      break;
    }
    out.append(buffer.data(), *got);
  }
  co_await writer.stop();
  co_return out;
}

class UpgradeTest : public ::testing::TestWithParam<bool> {};

TEST_P(UpgradeTest, CarriesBytesBothWaysAtOnce) {
  const TestAuthority authority("ca");
  const auto issued = authority.issue("server", {}, true);
  const bool is_tls = GetParam();
  TestServer server(
      upgrade_to_echo,
      {},
      is_tls ? *TlsContext::for_server({issued.certificate_pem, issued.key_pem, ""}) : nullptr);
  const auto client =
      client_of(server, {}, is_tls ? *TlsContext::for_client({"", "", authority.pem()}) : nullptr);
  std::string text;
  for (int i = 0; i < 300'000; ++i) {
    text += std::to_string(i) + ",";
  }

  const auto back = wait_for(server.pool(), echo_through(*client, "echo", text));

  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_TRUE(*back == text);
}

INSTANTIATE_TEST_SUITE_P(Transports,
                         UpgradeTest,
                         ::testing::Values(false, true),
                         [](const auto& row) { return row.param ? "tls" : "plain"; });

TEST(Client, GivesTheServersWordsForARefusedUpgrade) {
  TestServer server(upgrade_to_echo);
  const auto client = client_of(server);

  const auto back = wait_for(server.pool(), echo_through(*client, "other", "x"));

  ASSERT_FALSE(back.ok());
  EXPECT_EQ(back.error().code, Code::forbidden);
  EXPECT_THAT(back.error().message, HasSubstr("not you"));
}

struct TlsRow {
  std::string name;
  bool is_right_ca;
  std::string tls_name;
  bool is_accepted;
};

void PrintTo(const TlsRow& row, std::ostream* out) {
  *out << row.name;
}

class ClientTlsTest : public ::testing::TestWithParam<TlsRow> {};

TEST_P(ClientTlsTest, BelievesOnlyTheRightAuthorityAndName) {
  const TestAuthority authority("ca");
  const TestAuthority stranger("ca");
  const auto issued = authority.issue("server", {}, true);
  const auto mine = authority.issue("me", {"us"}, false);
  TestServer server(
      [](Request request, Exchange& exchange) -> Task<void> {
        (void)co_await exchange.respond(200, {}, std::string(request.peer.certificate_common_name));
      },
      {},
      *TlsContext::for_server({issued.certificate_pem, issued.key_pem, authority.pem()}));
  ClientOptions options;
  options.tls_name = GetParam().tls_name;
  const auto& trusted = GetParam().is_right_ca ? authority : stranger;
  const auto client =
      client_of(server,
                std::move(options),
                *TlsContext::for_client({mine.certificate_pem, mine.key_pem, trusted.pem()}));

  const auto response = ask(server, *client, request_of("GET", "/"));

  EXPECT_EQ(response.ok(), GetParam().is_accepted);
  if (response.ok()) {
    EXPECT_EQ(response->body, "me");
  } else {
    EXPECT_THAT(response.error().message, HasSubstr("certificate verify failed"));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Table,
    ClientTlsTest,
    ::testing::Values(TlsRow{"host_of_the_url", true, "", true},
                      TlsRow{"other_name_in_the_certificate", true, "127.0.0.1", true},
                      TlsRow{"wrong_name", true, "elsewhere", false},
                      TlsRow{"wrong_address", true, "127.0.0.2", false},
                      TlsRow{"wrong_authority", false, "", false}),
    [](const auto& row) { return row.param.name; });

struct UrlRow {
  std::string name;
  std::string text;
  std::string authority;  // empty: refused
};

void PrintTo(const UrlRow& row, std::ostream* out) {
  *out << row.name;
}

class UrlTest : public ::testing::TestWithParam<UrlRow> {};

TEST_P(UrlTest, IsReadOrRefused) {
  const auto url = parse_url(GetParam().text);

  EXPECT_EQ(url.ok() ? url->authority() : "", GetParam().authority);
}

INSTANTIATE_TEST_SUITE_P(
    Table,
    UrlTest,
    ::testing::Values(UrlRow{"https", "https://a.example:6443", "a.example:6443"},
                      UrlRow{"default_port", "https://a.example/", "a.example:443"},
                      UrlRow{"http", "http://10.0.0.1/base/", "10.0.0.1:80"},
                      UrlRow{"v6", "https://[::1]:8443", "[::1]:8443"},
                      UrlRow{"unix", "unix:///run/x.sock", "localhost"},
                      UrlRow{"no_scheme", "a.example:6443", ""},
                      UrlRow{"bad_port", "https://a:99999", ""},
                      UrlRow{"no_host", "https://:1", ""},
                      UrlRow{"open_bracket", "https://[::1:1", ""},
                      UrlRow{"unix_relative", "unix://x", ""}),
    [](const auto& row) { return row.param.name; });

Task<Result<std::string>> through_pipe(Stream& from, Stream& to, std::string text) {
  async::TaskGroup writer(co_await asio::this_coro::executor, "test");
  writer.spawn(write_in_background(from, std::move(text)));
  std::string out;
  char buffer[1000];
  while (true) {
    CO_TRY(const auto got, co_await to.read(buffer, sizeof(buffer)));
    if (got == 0) {
      break;
    }
    out.append(buffer, got);
  }
  co_await writer.stop();
  co_return out;
}

TEST(Pipe, CarriesMoreThanItHoldsAndEnds) {
  async::IoPool pool(2);
  auto [left, right] = make_pipe(100);
  const std::string text(100'000, 'p');

  EXPECT_EQ(*wait_for(pool, through_pipe(*left, *right, text)), text);
  EXPECT_EQ(*wait_for(pool, through_pipe(*right, *left, text)), text);
}

TEST(Pipe, FailsWritesOnceTheOtherEndIsGone) {
  async::IoPool pool(1);
  auto [left, right] = make_pipe();
  right.reset();

  EXPECT_EQ(wait_for(pool, left->write("x")).error().code, Code::cancelled);
}

}  // namespace
}  // namespace tetrarch::net::testing
