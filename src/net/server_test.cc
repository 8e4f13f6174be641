// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "async/timer.h"
#include "net/harness_test.h"

namespace tetrarch::net::testing {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string get(std::string_view target, std::string_view more = "") {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n" + std::string(more) + "\r\n";
}

std::string post(std::string_view target, std::string_view body) {
  return "POST " + std::string(target) +
         " HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}

std::string lines_of(int count) {
  std::string out;
  for (int i = 0; i < count; ++i) {
    out += "A" + std::to_string(i) + ": b\r\n";
  }
  return out;
}

TEST(Server, AnswersOneRequestAfterTheOtherOnOneConnection) {
  TestServer server;
  RawClient client(server.port());

  for (int i = 0; i < 3; ++i) {
    client.send(get("/a/b?x=1&y=2"));
    const auto response = client.read_response();

    EXPECT_THAT(response, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(response, HasSubstr("\r\nDate: "));
    EXPECT_THAT(response, EndsWith("\r\n\r\nGET\n/a/b\nx=1&y=2\n"));
  }
}

TEST(Server, AnswersPipelinedRequestsInOrder) {
  TestServer server;
  RawClient client(server.port());

  client.send(get("/1") + post("/2", "body") + get("/3"));

  EXPECT_THAT(client.read_response(), EndsWith("GET\n/1\n\n"));
  EXPECT_THAT(client.read_response(), EndsWith("POST\n/2\n\nbody"));
  EXPECT_THAT(client.read_response(), EndsWith("GET\n/3\n\n"));
}

TEST(Server, ReadsARequestThatArrivesByteByByte) {
  TestServer server;
  RawClient client(server.port());

  for (const char c : post("/slow", "abc")) {
    client.send({&c, 1});
  }

  EXPECT_THAT(client.read_response(), EndsWith("POST\n/slow\n\nabc"));
}

TEST(Server, ReadsChunkedBodies) {
  TestServer server;
  RawClient client(server.port());

  client.send("PUT /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  client.send("2;ext=1\r\nde\r\n0\r\n\r\n");

  EXPECT_THAT(client.read_response(), EndsWith("PUT\n/c\n\nabcde"));
}

TEST(Server, TakesNoHeaderFromATrailer) {
  TestServer server([](Request request, Exchange& exchange) -> Task<void> {
    std::string names = request.body + ":";
    for (const auto& header : request.headers.list()) {
      names += " " + header.name;
    }
    (void)co_await exchange.respond(200, {}, std::move(names));
  });
  RawClient client(server.port());

  client.send("POST /t HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n");
  client.send("Authorization: Bearer other\r\nImpersonate-User: admin\r\n\r\n" + get("/next"));

  EXPECT_THAT(client.read_response(), EndsWith("\r\n\r\nhi: Host Transfer-Encoding"));
  EXPECT_THAT(client.read_response(), EndsWith("\r\n\r\n: Host"));
}

TEST(Server, RefusesAnAddressThatHasTooManyConnections) {
  ServerOptions options;
  options.connections_per_address_max = 1;
  TestServer server(echo, options);
  {
    RawClient first(server.port());
    first.send(get("/"));
    ASSERT_THAT(first.read_response(), StartsWith("HTTP/1.1 200"));
    RawClient second(server.port());
    second.send(get("/"));

    const auto refused = second.read_to_end();
    EXPECT_THAT(refused, StartsWith("HTTP/1.1 503"));
    EXPECT_THAT(refused, HasSubstr("your address has as many connections as it may have"));
    EXPECT_THAT(refused, HasSubstr("Retry-After: 1"));
  }
  while (server.server().connections() > 0) {
    std::this_thread::yield();
  }
  RawClient third(server.port());
  third.send(get("/"));
  EXPECT_THAT(third.read_response(), StartsWith("HTTP/1.1 200")) << "others have gone";
}

TEST(Server, RefusesABodyThatIsOneTooManyOnItsWay) {
  ServerOptions options;
  options.bodies_bytes_max = 1000;
  async::Event release;
  std::promise<void> begun;
  TestServer server(
      [&](Request request, Exchange& exchange) -> Task<void> {
        if (request.path == "/slow") {
          begun.set_value();
          co_await release.wait();
        }
        co_await echo(std::move(request), exchange);
      },
      std::move(options));
  RawClient first(server.port());
  first.send(post("/slow", std::string(600, 'x')));
  begun.get_future().wait();
  RawClient second(server.port());
  second.send(post("/", std::string(600, 'x')));

  const auto refused = second.read_to_end();
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(refused, HasSubstr("too many bodies are on their way at once"));
  EXPECT_THAT(refused, HasSubstr("Retry-After: 1"));

  RawClient small(server.port());
  small.send(post("/", std::string(300, 'x')));
  EXPECT_THAT(small.read_response(), StartsWith("HTTP/1.1 200"));
  release.raise();
  EXPECT_THAT(first.read_response(), StartsWith("HTTP/1.1 200"));
  first.send(post("/", std::string(900, 'x')));
  EXPECT_THAT(first.read_response(), StartsWith("HTTP/1.1 200"))
      << "what is answered counts no more";
}

TEST(Server, RefusesABodyThatIsMoreThanMayBeHeld) {
  ServerOptions options;
  options.bodies_bytes_max = 1000;
  TestServer server(echo, std::move(options));
  RawClient client(server.port());

  client.send(post("/", std::string(1001, 'x')));

  EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 503"));
}

TEST(Server, SpeaksHttp10) {
  TestServer server;
  RawClient closing(server.port());
  closing.send("GET /old HTTP/1.0\r\n\r\n");
  EXPECT_THAT(closing.read_to_end(), EndsWith("GET\n/old\n\n"));

  RawClient keeping(server.port());
  for (int i = 0; i < 2; ++i) {
    keeping.send("GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_THAT(keeping.read_response(), EndsWith("GET\n/old\n\n"));
  }
}

TEST(Server, SendsContinueWhenAsked) {
  TestServer server;
  RawClient client(server.port());

  client.send("POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("hi");

  EXPECT_THAT(client.read_response(), EndsWith("POST\n/e\n\nhi"));
}

TEST(Server, SendsNoBodyToHead) {
  TestServer server;
  RawClient client(server.port());

  client.send("HEAD /h HTTP/1.1\r\nHost: x\r\n\r\n" + get("/next"));

  EXPECT_THAT(client.read_response(true), HasSubstr("Content-Length: 9\r\n"));
  EXPECT_THAT(client.read_response(), EndsWith("GET\n/next\n\n"));
}

TEST(Server, ClosesAfterConnectionClose) {
  TestServer server;
  RawClient client(server.port());

  client.send(get("/bye", "Connection: close\r\n"));

  EXPECT_THAT(client.read_to_end(), HasSubstr("Connection: close\r\n"));
}

struct RefusalRow {
  std::string name;
  std::string request;
  std::string status;
};

void PrintTo(const RefusalRow& row, std::ostream* out) {
  *out << row.name;
}

std::vector<RefusalRow> refusals() {
  return {
      {"no_http", "hello there\r\n\r\n", "400"},
      {"tls_on_a_plain_port",
       std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) + "\r\n\r\n",
       "400"},
      {"no_host", "GET / HTTP/1.1\r\n\r\n", "400"},
      {"two_hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
      {"relative_target", "GET index.html HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
      {"bad_header_name", "GET / HTTP/1.1\r\nHost: x\r\nA B: c\r\n\r\n", "400"},
      {"two_lengths",
       "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
       "400"},
      {"length_and_chunked",
       "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: "
       "chunked\r\n\r\n0\r\n\r\n",
       "400"},
      {"bad_length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "400"},
      {"bad_chunk",
       "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
       "400"},
      {"http2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"},
      {"long_header",
       "GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(70'000, 'a') + "\r\n\r\n",
       "431"},
      {"long_target", "GET /" + std::string(70'000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n", "431"},
      {"long_body_announced",
       "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n",
       "413"},
      {"another_coding",
       "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
       "501"},
      {"two_codings",
       "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
       "chunked\r\n\r\n0\r\n\r\n",
       "400"},
      {"coding_of_http10", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "501"},
      {"another_expectation",
       "POST / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\nContent-Length: 2\r\n\r\nhi",
       "417"},
      {"many_headers", get("/", lines_of(300)), "431"},
      {"many_trailers",
       "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + lines_of(300) +
           "\r\n",
       "431"},
      {"header_bomb", get("/", lines_of(100'000)), "431"},
      {"no_target", "GET HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
      {"control_in_a_header", "GET / HTTP/1.1\r\nHost: x\r\nA: b\x01\r\n\r\n", "400"},
      {"space_before_the_colon", "GET / HTTP/1.1\r\nHost: x\r\nContent-Length : 1\r\n\r\na", "400"},
      {"tunnel", "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
      {"absurd_length",
       "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\n",
       "413"},
      {"endless_chunk_extension",
       "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" +
           std::string(300'000, 'e'),
       "431"},
      {"absurd_chunk",
       "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
       "413"},
  };
}

class RefusalTest : public ::testing::TestWithParam<RefusalRow> {};

TEST_P(RefusalTest, IsAnsweredInTheHandlersWordsAndCloses) {
  TestServer server;
  RawClient client(server.port());

  client.send(GetParam().request);
  client.shut_write();
  const auto response = client.read_to_end();

  EXPECT_THAT(response, StartsWith("HTTP/1.1 " + GetParam().status + " "));
  EXPECT_THAT(response, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(response, HasSubstr("\r\n\r\n{\"code\":" + GetParam().status));
}

INSTANTIATE_TEST_SUITE_P(Table, RefusalTest, ::testing::ValuesIn(refusals()), [](const auto& row) {
  return row.param.name;
});

TEST(Server, LetsAClientThatStillSendsSeeTheRefusal) {
  TestServer server;
  RawClient client(server.port());

  // 10 MB whose length is announced: refused at the head, while the body is on its way.
  client.send(post("/big", std::string(10'000'000, 'x')));

  EXPECT_THAT(client.read_response(), StartsWith("HTTP/1.1 413 "));
}

TEST(Server, RefusesAChunkedBodyOnceItHasGrownTooLarge) {
  ServerOptions options;
  options.body_bytes_max = 1000;
  TestServer server(echo, std::move(options));
  RawClient client(server.port());

  client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 3; ++i) {
    client.send("200\r\n" + std::string(512, 'x') + "\r\n");
  }

  EXPECT_THAT(client.read_response(), StartsWith("HTTP/1.1 413 "));
}

TEST(Server, TakesABodyOfExactlyTheLimit) {
  TestServer server;
  RawClient client(server.port());

  client.send(post("/full", std::string(3 * 1024 * 1024, 'x')));

  EXPECT_THAT(client.read_response(), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST(Server, TellsASlowClientThatItsHeadTookTooLong) {
  ServerOptions options;
  options.header_limit = std::chrono::milliseconds(30);
  TestServer server(echo, std::move(options));
  RawClient client(server.port());

  client.send("GET / HTT");

  EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 408 "));
}

TEST(Server, TellsASlowClientThatItsBodyTookTooLong) {
  ServerOptions options;
  options.body_limit = std::chrono::milliseconds(30);
  TestServer server(echo, std::move(options));
  RawClient client(server.port());

  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");

  EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 408 "));
}

TEST(Server, ClosesAnIdleConnectionWithoutAWord) {
  ServerOptions options;
  options.idle_limit = std::chrono::milliseconds(30);
  TestServer server(echo, std::move(options));
  RawClient client(server.port());

  client.send(get("/"));
  client.read_response();

  EXPECT_EQ(client.read_to_end(), "");
}

TEST(Server, GivesUpOnAClientThatNeverReads) {
  ServerOptions options;
  options.write_limit = std::chrono::milliseconds(50);
  std::promise<bool> wrote;
  TestServer server(
      [&wrote](Request, Exchange& exchange) -> Task<void> {
        const auto sent = co_await exchange.respond(200, {}, std::string(50'000'000, 'x'));
        wrote.set_value(sent.ok());
      },
      std::move(options));
  RawClient client(server.port());

  client.send(get("/"));

  EXPECT_FALSE(wrote.get_future().get());
}

TEST(Server, RefusesWhatIsOverTheConnectionLimit) {
  ServerOptions options;
  options.connections_max = 1;
  TestServer server(echo, std::move(options));
  RawClient first(server.port());
  first.send(get("/"));
  first.read_response();

  RawClient second(server.port());
  second.send(get("/"));

  EXPECT_THAT(second.read_to_end(), StartsWith("HTTP/1.1 503 "));
}

TEST(Server, SaysSoWhenAHandlerDoesNotAnswer) {
  TestServer server([](Request, Exchange&) -> Task<void> { co_return; });
  RawClient client(server.port());

  client.send(get("/"));

  EXPECT_THAT(client.read_response(), StartsWith("HTTP/1.1 500 "));
}

TEST(Server, KeepsLineEndsOutOfHeaderValues) {
  TestServer server([](Request, Exchange& exchange) -> Task<void> {
    Headers headers;
    headers.add("Warning", "a\r\nSet-Cookie: b");
    (void)co_await exchange.respond(200, std::move(headers), std::string());
  });
  RawClient client(server.port());

  client.send(get("/"));

  EXPECT_THAT(client.read_response(), HasSubstr("Warning: a  Set-Cookie: b\r\n"));
}

Task<void> count_down(Request request, Exchange& exchange) {
  (void)co_await exchange.start(200, {});
  const int count = std::stoi(request.parameter("count").value_or("3"));
  for (int i = count; i > 0; --i) {
    const std::string line = std::to_string(i) + "\n";
    Body body;
    body.pieces = {"n=", line};
    (void)co_await exchange.write(std::move(body));
  }
  (void)co_await exchange.finish();
}

TEST(Server, StreamsInChunksAndGoesOnWithTheNextRequest) {
  TestServer server(count_down);
  RawClient client(server.port());

  client.send(get("/?count=2"));
  EXPECT_THAT(client.read_response(), EndsWith("\r\n\r\n4\r\nn=2\n\r\n4\r\nn=1\n\r\n0\r\n\r\n"));
  client.send(get("/?count=1"));
  EXPECT_THAT(client.read_response(), EndsWith("\r\n\r\n4\r\nn=1\n\r\n0\r\n\r\n"));
}

TEST(Server, AnswersWhatWasPipelinedBehindAStream) {
  TestServer server(count_down);
  RawClient client(server.port());

  client.send(get("/?count=2") + get("/?count=1"));

  EXPECT_THAT(client.read_response(), EndsWith("4\r\nn=1\n\r\n0\r\n\r\n"));
  EXPECT_THAT(client.read_response(), EndsWith("\r\n\r\n4\r\nn=1\n\r\n0\r\n\r\n"));
}

TEST(Server, StreamsToHttp10UntilTheConnectionEnds) {
  TestServer server(count_down);
  RawClient client(server.port());

  client.send("GET /?count=2 HTTP/1.0\r\n\r\n");

  EXPECT_THAT(client.read_to_end(), EndsWith("\r\n\r\nn=2\nn=1\n"));
}

/// Says `length`, writes "abc" and "de".
Task<void> write_five(std::string length, Exchange& exchange) {
  Headers headers;
  headers.add("Content-Length", std::move(length));
  (void)co_await exchange.start(200, std::move(headers));
  for (const auto* piece : {"abc", "de"}) {
    Body body;
    body.pieces = {piece};
    (void)co_await exchange.write(std::move(body));
  }
  (void)co_await exchange.finish();
}

Task<void> write_as_told(Request request, Exchange& exchange) {
  auto length = request.parameter("length").value_or("5");
  co_await write_five(std::move(length), exchange);
}

TEST(Server, StreamsWhatHasADeclaredLengthWithoutChunks) {
  TestServer server(write_as_told);
  RawClient client(server.port());

  client.send(get("/") + get("/"));

  for (int i = 0; i < 2; ++i) {
    const auto response = client.read_response();
    EXPECT_THAT(response, HasSubstr("Content-Length: 5\r\n"));
    EXPECT_THAT(response, Not(HasSubstr("Transfer-Encoding")));
    EXPECT_THAT(response, EndsWith("\r\n\r\nabcde"));
  }
}

TEST(Server, CutsAnAnswerThatIsNotAsLongAsItSaid) {
  TestServer server(write_as_told);
  RawClient longer(server.port());
  RawClient shorter(server.port());

  longer.send(get("/?length=4") + get("/"));
  shorter.send(get("/?length=6") + get("/"));

  EXPECT_THAT(longer.read_to_end(), EndsWith("\r\n\r\nabc"));
  EXPECT_THAT(shorter.read_to_end(), EndsWith("\r\n\r\nabcde"));
}

TEST(Server, AnswersHeadWithTheDeclaredLengthAlone) {
  TestServer server(write_as_told);
  RawClient client(server.port());

  client.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n" + get("/"));

  EXPECT_THAT(client.read_response(true), EndsWith("Content-Length: 5\r\n\r\n"));
  EXPECT_THAT(client.read_response(), EndsWith("abcde"));
}

Task<void> wait_until_gone(Exchange& exchange,
                           std::promise<void>& started,
                           std::promise<bool>& gone) {
  const auto event = std::make_shared<async::Event>();
  (void)co_await exchange.start(200, {});
  exchange.on_client_gone([event] { event->raise(); });
  started.set_value();
  co_await event->wait();
  gone.set_value(exchange.is_client_gone());
}

TEST(Server, TellsAStreamingHandlerThatItsClientHasGone) {
  std::promise<void> started;
  std::promise<bool> gone;
  TestServer server([&](Request, Exchange& exchange) -> Task<void> {
    co_await wait_until_gone(exchange, started, gone);
  });
  RawClient client(server.port());

  client.send(get("/watch"));
  started.get_future().wait();
  client.close();

  EXPECT_TRUE(gone.get_future().get());
}

TEST(Server, EndsStreamsWhenItStops) {
  std::promise<void> started;
  std::promise<bool> gone;
  TestServer server([&](Request, Exchange& exchange) -> Task<void> {
    co_await wait_until_gone(exchange, started, gone);
  });
  RawClient client(server.port());

  client.send(get("/watch"));
  started.get_future().wait();
  server.stop();

  EXPECT_TRUE(gone.get_future().get());
  EXPECT_EQ(server.server().connections(), 0U);
}

TEST(Server, LetsARequestUnderWayEndWhenItStops) {
  async::Event release;
  std::promise<void> begun;
  TestServer server([&](Request request, Exchange& exchange) -> Task<void> {
    if (request.path == "/slow") {
      begun.set_value();
      co_await release.wait();
    }
    (void)co_await exchange.respond(200, {}, std::string("done"));
  });
  RawClient client(server.port());
  RawClient idle(server.port());
  idle.send(get("/"));
  idle.read_response();
  client.send(get("/slow"));
  begun.get_future().wait();

  auto stopping = std::async(std::launch::async, [&] { server.stop(); });
  EXPECT_EQ(idle.read_to_end(), "");  // closed at once: the stop has begun
  release.raise();

  EXPECT_THAT(client.read_to_end(), HasSubstr("Connection: close\r\n"));
  stopping.get();
}

TEST(Server, CancelsAHandlerThatOutlastsTheDrainLimit) {
  ServerOptions options;
  options.drain_limit = std::chrono::milliseconds(20);
  async::Event never;
  std::promise<void> begun;
  TestServer server(
      [&](Request, Exchange&) -> Task<void> {
        begun.set_value();
        co_await never.wait();
      },
      std::move(options));
  RawClient client(server.port());
  client.send(get("/"));
  begun.get_future().wait();

  server.stop();

  EXPECT_EQ(client.read_to_end(), "");
}

TEST(Server, HandsTheRawConnectionOver) {
  TestServer server([](Request, Exchange& exchange) -> Task<void> {
    Headers headers;
    headers.add("Upgrade", "echo");
    headers.add("Connection", "Upgrade");
    auto stream = co_await exchange.upgrade_raw(std::move(headers));
    char bytes[64];
    while (stream.ok()) {
      const auto got = co_await (*stream)->read(bytes, sizeof(bytes));
      if (!got.ok() || *got == 0) {
        break;
      }
      (void)co_await (*stream)->write({bytes, *got});
    }
    (void)co_await (*stream)->shut_write();
  });
  RawClient client(server.port());

  client.send(get("/", "Connection: Upgrade\r\nUpgrade: echo\r\n") + "early");
  EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 101 Switching Protocols\r\n"));
  EXPECT_EQ(client.read_exactly(5), "early");
  client.send("later");
  EXPECT_EQ(client.read_exactly(5), "later");
  client.shut_write();
  EXPECT_EQ(client.read_to_end(), "");
}

TEST(Server, ReportsEveryAnswerToTheAccessHook) {
  std::promise<std::string> line;
  ServerOptions options;
  options.on_access = [&](const Access& access) {
    line.set_value(std::string(access.method) + " " + std::string(access.path) + " " +
                   std::to_string(access.status) + " " + std::to_string(access.request_bytes) +
                   " " + std::to_string(access.response_bytes));
  };
  TestServer server(echo, std::move(options));
  RawClient client(server.port());

  client.send(post("/p", "four"));

  EXPECT_EQ(line.get_future().get(), "POST /p 200 4 13");
}

TEST(Server, ServesManyConnectionsAtOnce) {
  TestServer server;
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 300; ++i) {
    clients.push_back(std::make_unique<RawClient>(server.port()));
  }

  for (int i = 0; i < 300; ++i) {
    clients[static_cast<std::size_t>(i)]->send(post("/" + std::to_string(i), std::to_string(i)));
  }

  for (int i = 0; i < 300; ++i) {
    const auto n = std::to_string(i);
    EXPECT_THAT(clients[static_cast<std::size_t>(i)]->read_response(),
                EndsWith("POST\n/" + n + "\n\n" + n));
  }
}

TEST(Server, ListensOnAUnixSocketInPlaceOfADeadOne) {
  const std::string path =
      ::testing::TempDir() + "net_test." + std::to_string(::getpid()) + ".sock";
  async::IoPool pool(1);
  FunctionHandler handler([](Request request, Exchange& exchange) -> Task<void> {
    (void)co_await exchange.respond(
        200, {}, std::string(request.peer.is_local_socket ? "local" : "remote"));
  });
  const int dead = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(dead, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ::close(dead);
  Server server(pool, handler, {});

  ASSERT_TRUE(server.listen_unix(path).ok());
  server.run();
  EXPECT_EQ(server.listen_unix(path).error().code, Code::already_exists);
  const int client = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  const auto request = get("/", "Connection: close\r\n");
  ASSERT_GT(::send(client, request.data(), request.size(), MSG_NOSIGNAL), 0);
  std::string response(4096, '\0');
  const auto n = ::recv(client, response.data(), response.size(), MSG_WAITALL);
  response.resize(static_cast<std::size_t>(std::max<ssize_t>(n, 0)));

  EXPECT_THAT(response, EndsWith("local"));
  ::close(client);
  server.stop_and_wait();
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
}

TEST(Request, DecodesQueryParameters) {
  Request request;
  request.query = "a=1&b=x%20y+z&a=%zz&flag&%61=3";

  EXPECT_EQ(request.parameter("b"), "x y z");
  EXPECT_EQ(request.parameter("flag"), "");
  EXPECT_EQ(request.parameter("none"), std::nullopt);
  EXPECT_THAT(request.parameters("a"), ::testing::ElementsAre("1", "%zz", "3"));
}

}  // namespace
}  // namespace tetrarch::net::testing
