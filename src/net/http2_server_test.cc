// SPDX-License-Identifier: Apache-2.0
// HTTP/2 over real connections: TLS with ALPN, handlers side by side, limits of time, the end.
#include <atomic>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include "async/timer.h"
#include "net/harness_test.h"
#include "net/http2_peer_test.h"

namespace tetrarch::net::testing {
namespace {

using ::testing::HasSubstr;

/// A client on a connection of its own. Waits give up when the connection has ended.
class Http2Client {
 public:
  Http2Client(std::uint16_t port,
              const std::string& ca_pem,
              const Issued& mine = {},
              PeerOptions options = {})
      : wire_(port, ca_pem, mine, true), peer_(options) {}

  Http2Peer& peer() { return peer_; }

  RawClient& wire() { return wire_; }

  bool flush() { return wire_.send(peer_.take()); }

  /// One read of whatever comes. False at the end.
  bool step() {
    flush();
    const auto bytes = wire_.read_some();
    return !bytes.empty() && peer_.feed(bytes);
  }

  template <class Condition>
  bool until(Condition condition) {
    while (!condition()) {
      if (!step()) {
        return condition();
      }
    }
    return true;
  }

  Answer& finish(std::int32_t stream) {
    until([&] { return peer_.answer(stream).is_closed; });
    return peer_.answer(stream);
  }

  Answer& ask(std::string_view method, std::string_view path, std::string body = "") {
    return finish(peer_.request(method, path, std::move(body)));
  }

  /// Until the server has closed. What GOAWAY said, -1 without one.
  std::int64_t end() {
    while (step()) {
    }
    return peer_.goaway();
  }

 private:
  RawClient wire_;
  Http2Peer peer_;
};

/// What a handler and its test tell each other.
struct Shared {
  std::atomic<int> begun = 0;
  std::atomic<int> gone = 0;
  std::atomic<int> ended = 0;
};

class Http2ServerTest : public ::testing::Test {
 protected:
  Http2ServerTest() {
    const auto issued = authority_.issue("server", {}, true);
    TlsMaterial material{issued.certificate_pem, issued.key_pem, authority_.pem()};
    material.speaks_http2 = true;
    tls_ = TlsContext::for_server(material).value_or(nullptr);
  }

  void serve(FunctionHandler::Function function, ServerOptions options = {}) {
    server_ = std::make_unique<TestServer>(std::move(function), std::move(options), tls_);
  }

  Http2Client client(PeerOptions options = {}) {
    return Http2Client(server_->port(), authority_.pem(), {}, options);
  }

  TestAuthority authority_{"test-ca"};
  std::shared_ptr<TlsContext> tls_;
  std::unique_ptr<TestServer> server_;
};

Task<void> watch(std::shared_ptr<Shared> shared, Exchange& exchange) {
  const auto gone = std::make_shared<async::Event>();
  (void)co_await exchange.start(200, {});
  ++shared->begun;
  exchange.on_client_gone([gone] { gone->raise(); });
  Body hello;
  hello.pieces = {"hello\n"};
  (void)co_await exchange.write(std::move(hello));
  while (!exchange.is_client_gone()) {
    co_await gone->wait();
  }
  ++shared->gone;
}

/// `/watch` stays open until the client goes; everything else is echoed.
FunctionHandler::Function watch_or_echo(std::shared_ptr<Shared> shared) {
  return [shared](Request request, Exchange& exchange) -> Task<void> {
    if (request.path == "/watch") {
      return watch(shared, exchange);
    }
    return echo(std::move(request), exchange);
  };
}

TEST_F(Http2ServerTest, IsChosenByClientsThatOfferIt) {
  serve(echo);
  auto two = client();
  RawClient one(server_->port(), authority_.pem(), {}, false);

  EXPECT_EQ(two.wire().alpn(), "h2");
  const auto& answer = two.ask("POST", "/a?b=c", "body");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "POST\n/a\nb=c\nbody");
  EXPECT_EQ(answer.headers.get("content-type"), "text/plain");
  EXPECT_THAT(std::string(answer.headers.get("date")), HasSubstr("GMT"));
  one.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(one.read_response(), HasSubstr("HTTP/1.1 200 OK"));
}

TEST_F(Http2ServerTest, TellsWhoTheClientIs) {
  serve([](Request request, Exchange& exchange) -> Task<void> {
    std::string name = request.peer.certificate_common_name;
    (void)co_await exchange.respond(200, {}, std::move(name));
  });
  Http2Client admin(server_->port(), authority_.pem(), authority_.issue("admin", {}, false));

  EXPECT_EQ(admin.ask("GET", "/").body, "admin");
  EXPECT_EQ(admin.ask("GET", "/again").body, "admin");
}

TEST_F(Http2ServerTest, AnswersManyRequestsAtOnceOutOfOrder) {
  const auto shared = std::make_shared<Shared>();
  serve(watch_or_echo(shared));
  auto user = client();
  const auto open = user.peer().request("GET", "/watch");
  std::vector<std::int32_t> streams;
  for (int i = 0; i < 200; ++i) {
    streams.push_back(user.peer().request("PUT", "/" + std::to_string(i), std::string(100, 'x')));
  }

  for (int i = 0; i < 200; ++i) {
    EXPECT_THAT(user.finish(streams[static_cast<std::size_t>(i)]).body,
                HasSubstr("/" + std::to_string(i) + "\n"));
  }
  EXPECT_TRUE(user.until([&] { return user.peer().answer(open).body == "hello\n"; }));
  EXPECT_FALSE(user.peer().answer(open).has_ended);
}

TEST_F(Http2ServerTest, TellsAHandlerThatItsStreamWasReset) {
  const auto shared = std::make_shared<Shared>();
  serve(watch_or_echo(shared));
  auto user = client();
  const auto first = user.peer().request("GET", "/watch");
  const auto second = user.peer().request("GET", "/watch");
  ASSERT_TRUE(user.until([&] {
    return !user.peer().answer(first).body.empty() && !user.peer().answer(second).body.empty();
  }));

  user.peer().reset(first);
  // The handler hears of it on a strand of its own, some time after the connection has.
  for (int asked = 0; asked == 0 || (shared->gone == 0 && asked < 1000); ++asked) {
    ASSERT_THAT(user.ask("GET", "/still-here").body, HasSubstr("/still-here"));
  }
  EXPECT_EQ(shared->gone, 1);
  EXPECT_FALSE(user.peer().answer(second).is_closed);
}

TEST_F(Http2ServerTest, TellsHandlersThatTheConnectionIsLost) {
  const auto shared = std::make_shared<Shared>();
  serve(watch_or_echo(shared));
  {
    auto user = client();
    const auto id = user.peer().request("GET", "/watch");
    ASSERT_TRUE(user.until([&] { return !user.peer().answer(id).body.empty(); }));
  }

  server_->stop();
  EXPECT_EQ(shared->gone, 1);
}

TEST_F(Http2ServerTest, SendsALongBodyOfPieces) {
  const auto block = std::make_shared<const std::string>(3000, 'p');
  constexpr std::size_t kPieces = 8000;
  serve([block](Request /*request*/, Exchange& exchange) -> Task<void> {
    return [](std::shared_ptr<const std::string> piece, Exchange& to) -> Task<void> {
      Body body;
      body.pieces.assign(kPieces, *piece);
      body.owner = piece;
      (void)co_await to.respond(200, {}, std::move(body));
    }(block, exchange);
  });
  auto user = client();

  const auto& answer = user.ask("GET", "/");

  EXPECT_EQ(answer.headers.get("content-length"), std::to_string(3000 * kPieces));
  EXPECT_EQ(answer.body, std::string(3000 * kPieces, 'p'));
}

TEST_F(Http2ServerTest, ServesOthersWhileOneDoesNotRead) {
  serve([](Request request, Exchange& exchange) -> Task<void> {
    std::string body(request.path == "/large" ? 10'000'000 : 10, 'x');
    (void)co_await exchange.respond(200, {}, std::move(body));
  });
  auto user = client({.window = 65'536, .opens_windows = false});
  const auto large = user.peer().request("GET", "/large");
  ASSERT_TRUE(user.until([&] { return user.peer().answer(large).body.size() == 65'536; }));

  EXPECT_EQ(user.ask("GET", "/small").body.size(), 10U);
  EXPECT_FALSE(user.peer().answer(large).is_closed);
}

TEST_F(Http2ServerTest, AnswersHeadAndEmptyBodies) {
  serve([](Request request, Exchange& exchange) -> Task<void> {
    std::string body = request.path == "/empty" ? "" : "body";
    (void)co_await exchange.respond(request.path == "/none" ? 204 : 200, {}, std::move(body));
  });
  auto user = client();

  EXPECT_EQ(user.ask("HEAD", "/").headers.get("content-length"), "4");
  EXPECT_EQ(user.ask("HEAD", "/").body, "");
  EXPECT_EQ(user.ask("GET", "/empty").headers.get("content-length"), "0");
  EXPECT_FALSE(user.ask("GET", "/none").headers.contains("content-length"));
  EXPECT_EQ(user.ask("GET", "/none").status, 204);
}

TEST_F(Http2ServerTest, AnswersForAHandlerThatDidNot) {
  serve([](Request /*request*/, Exchange& /*exchange*/) -> Task<void> { co_return; });
  auto user = client();

  const auto& answer = user.ask("GET", "/");

  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.body, R"({"code":500,"message":"the request was not answered"})");
}

TEST_F(Http2ServerTest, ResetsAStreamThatItsHandlerLeftOpen) {
  serve([](Request /*request*/, Exchange& exchange) -> Task<void> {
    (void)co_await exchange.start(200, {});
  });
  auto user = client();

  EXPECT_EQ(user.ask("GET", "/").error, NGHTTP2_INTERNAL_ERROR);
}

TEST_F(Http2ServerTest, SaysThatItHasNoUpgrades) {
  serve([](Request /*request*/, Exchange& exchange) -> Task<void> {
    const auto socket = co_await exchange.upgrade_websocket("");
    EXPECT_EQ(socket.error().code, Code::malformed);
  });
  auto user = client();

  const auto& answer = user.ask("GET", "/");

  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.body, HasSubstr("HTTP/1.1"));
}

TEST_F(Http2ServerTest, RefusesABodyThatIsTooLarge) {
  serve(echo, {.body_bytes_max = 1000});
  auto user = client();

  const auto& answer = user.ask("PUT", "/", std::string(100'000, 'x'));

  EXPECT_EQ(answer.status, 413);
  EXPECT_THAT(answer.body, HasSubstr("Request entity too large: limit is 1000"));
  EXPECT_EQ(user.ask("PUT", "/", "small").status, 200);
}

/// Sends every piece back as soon as it is there; where no more will come, says so.
class SendBack final : public UploadHandler {
 public:
  bool takes(const Request& head) const override { return head.path == "/back"; }

  Task<void> handle(Request /*request*/, Exchange& exchange, BodyReader& body) override {
    (void)co_await exchange.start(200, {});
    while (true) {
      const auto piece = co_await body.read_body();
      if (!piece.ok() || piece->empty()) {
        broken += piece.ok() ? 0 : 1;
        break;
      }
      Body out;
      out.pieces = {*piece};
      (void)co_await exchange.write(std::move(out));
    }
    (void)co_await exchange.finish();
    ++ended;
  }

  std::atomic<int> broken = 0;
  std::atomic<int> ended = 0;
};

TEST_F(Http2ServerTest, GivesABodyInPiecesWhileItIsAnswered) {
  SendBack back;
  serve(echo, {.body_bytes_max = 1000, .uploads = {&back}});
  auto user = client();
  auto& peer = user.peer();
  const auto id = peer.request("PUT", "/back", "one", {}, false);

  EXPECT_TRUE(user.until([&] { return peer.answer(id).body == "one"; }));
  peer.send_more(id, std::string(3'000'000, 'x'), true);

  EXPECT_EQ(user.finish(id).body.size(), 3'000'003U);
  EXPECT_TRUE(peer.answer(id).has_ended);
  EXPECT_EQ(user.ask("PUT", "/else", "whole").body, "PUT\n/else\n\nwhole");
}

TEST_F(Http2ServerTest, TellsAHandlerThatABodyInPiecesBreaksOff) {
  SendBack back;
  serve(echo, {.uploads = {&back}});
  auto user = client();
  const auto id = user.peer().request("PUT", "/back", "one", {}, false);
  user.until([&] { return user.peer().answer(id).body == "one"; });

  user.peer().reset(id);

  while (back.ended == 0) {
    user.ask("GET", "/");
  }
  EXPECT_EQ(back.broken, 1);
}

TEST_F(Http2ServerTest, RefusesABodyThatTakesTooLong) {
  serve(
      echo,
      {.body_limit = std::chrono::milliseconds(60), .linger_limit = std::chrono::milliseconds(60)});
  auto user = client();
  const auto id = user.peer().request("PUT", "/", "a part", {}, false);

  EXPECT_EQ(user.finish(id).status, 408);
  EXPECT_EQ(user.peer().answer(id).error, NGHTTP2_NO_ERROR) << "asked to stop sending";
}

TEST_F(Http2ServerTest, EndsAConnectionWhoseHeaderTakesTooLong) {
  serve(echo, {.header_limit = std::chrono::milliseconds(60)});
  auto user = client();
  ASSERT_EQ(user.ask("GET", "/").status, 200);
  ASSERT_TRUE(user.wire().send(frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 3, "")));

  user.end();
}

TEST_F(Http2ServerTest, EndsAConnectionThatDoesNotGreet) {
  serve(echo, {.header_limit = std::chrono::milliseconds(60)});
  RawClient silent(server_->port(), authority_.pem(), {}, true);

  EXPECT_THAT(silent.read_to_end(), HasSubstr(""));
}

TEST_F(Http2ServerTest, EndsAnIdleConnection) {
  serve(echo, {.idle_limit = std::chrono::milliseconds(60)});
  auto user = client();
  ASSERT_EQ(user.ask("GET", "/").status, 200);

  EXPECT_EQ(user.end(), NGHTTP2_NO_ERROR);
}

TEST_F(Http2ServerTest, KeepsAConnectionWithAnOpenStream) {
  const auto shared = std::make_shared<Shared>();
  serve(
      watch_or_echo(shared),
      {.idle_limit = std::chrono::milliseconds(40), .write_limit = std::chrono::milliseconds(40)});
  auto user = client();
  const auto id = user.peer().request("GET", "/watch");
  ASSERT_TRUE(user.until([&] { return !user.peer().answer(id).body.empty(); }));
  auto idle = client();
  EXPECT_EQ(idle.end(), NGHTTP2_NO_ERROR) << "by then all limits have passed twice";

  user.peer().ping();
  EXPECT_TRUE(user.until([&] { return user.peer().pongs() == 1; }));
  EXPECT_EQ(shared->gone, 0);
}

TEST_F(Http2ServerTest, CutsAnAnswerThatNobodyReads) {
  serve(
      [](Request request, Exchange& exchange) -> Task<void> {
        std::string body(request.path == "/large" ? 1'000'000 : 10, 'x');
        (void)co_await exchange.respond(200, {}, std::move(body));
      },
      {.write_limit = std::chrono::milliseconds(60)});
  auto user = client({.window = 65'536, .opens_windows = false});
  const auto large = user.peer().request("GET", "/large");

  EXPECT_EQ(user.finish(large).error, NGHTTP2_CANCEL);
  EXPECT_EQ(user.ask("GET", "/small").body.size(), 10U);
}

TEST_F(Http2ServerTest, EndsAFlood) {
  serve(echo);
  auto user = client();
  ASSERT_EQ(user.ask("GET", "/").status, 200);
  std::string pings;
  for (int i = 0; i < 5000; ++i) {
    pings += frame(NGHTTP2_PING, 0, 0, "12345678");
  }
  user.wire().send(pings);

  EXPECT_EQ(user.end(), NGHTTP2_ENHANCE_YOUR_CALM);
}

TEST_F(Http2ServerTest, RefusesRequestsWhenTheServerIsFull) {
  serve(echo, {.connections_max = 1});
  auto first = client();
  ASSERT_EQ(first.ask("GET", "/").status, 200);
  auto second = client();

  const auto& answer = second.ask("GET", "/");

  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.headers.get("retry-after"), "1");
  EXPECT_EQ(second.end(), NGHTTP2_NO_ERROR);
}

TEST_F(Http2ServerTest, TellsStreamsAndClientsWhenItStops) {
  const auto shared = std::make_shared<Shared>();
  serve(watch_or_echo(shared));
  auto user = client();
  const auto id = user.peer().request("GET", "/watch");
  ASSERT_TRUE(user.until([&] { return !user.peer().answer(id).body.empty(); }));

  server_->stop();

  EXPECT_EQ(shared->gone, 1);
  EXPECT_EQ(user.end(), NGHTTP2_NO_ERROR);
  EXPECT_EQ(user.peer().answer(id).error, NGHTTP2_CANCEL);
}

TEST_F(Http2ServerTest, ReportsEveryRequest) {
  std::mutex mutex;
  std::vector<std::string> lines;
  ServerOptions options;
  options.on_access = [&](const Access& access) {
    const std::lock_guard lock(mutex);
    lines.push_back(std::string(access.path) + " " + std::to_string(access.status) + " " +
                    std::to_string(access.response_bytes));
  };
  serve(echo, std::move(options));
  auto user = client();
  (void)user.ask("GET", "/one");
  server_->stop();

  EXPECT_THAT(lines, ::testing::ElementsAre("/one 200 10"));
}

TEST_F(Http2ServerTest, ServesManyClientsFromManyThreads) {
  const auto shared = std::make_shared<Shared>();
  serve(watch_or_echo(shared));
  std::vector<Http2Client*> users;
  std::vector<std::unique_ptr<Http2Client>> owned;
  for (int i = 0; i < 8; ++i) {
    owned.push_back(std::make_unique<Http2Client>(server_->port(), authority_.pem()));
    (void)owned.back()->peer().request("GET", "/watch");
    for (int j = 0; j < 50; ++j) {
      (void)owned.back()->peer().request("PUT", "/x", std::string(5000, 'x'));
    }
    owned.back()->flush();
  }
  for (auto& user : owned) {
    for (int j = 0; j < 50; ++j) {
      EXPECT_EQ(user->finish(3 + 2 * j).status, 200);
    }
  }
  owned.clear();
  server_->stop();

  EXPECT_EQ(shared->gone, 8);
}

}  // namespace
}  // namespace tetrarch::net::testing
