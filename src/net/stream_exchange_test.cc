// SPDX-License-Identifier: Apache-2.0
// Requests that come over a stream: Server::take, asked by a StreamRequest or with any bytes.
#include "net/stream_exchange.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/harness_test.h"
#include "net/pipe.h"
#include "net/stream_request.h"

namespace tetrarch::net::testing {
namespace {

using ::testing::StartsWith;

Peer node() {
  Peer out;
  out.certificate_common_name = "system:node:n1";
  return out;
}

ClientRequest request_of(std::string method, std::string target, std::string body = "") {
  ClientRequest request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.body = std::move(body);
  request.headers.add("Host", "server");
  return request;
}

Task<std::string> read_all(Stream& stream) {
  std::string out;
  std::string buffer(1000, '\0');
  while (true) {
    const auto got = co_await stream.read(buffer.data(), buffer.size());
    if (!got.ok() || *got == 0) {
      co_return out;
    }
    out += buffer.substr(0, *got);
  }
}

/// Everything that comes back for these bytes.
Task<std::string> send_bytes(Stream& stream, std::string bytes) {
  (void)co_await stream.write(bytes);
  (void)co_await stream.shut_write();
  co_return co_await read_all(stream);
}

Task<std::string> ask(std::unique_ptr<Stream> stream, ClientRequest request) {
  const bool is_head = request.method == "HEAD";
  StreamRequest asked(std::move(stream));
  auto outcome = co_await asked.send(std::move(request));
  if (outcome.ok()) {
    outcome = co_await asked.read_head(is_head);
  }
  if (!outcome.ok()) {
    co_return outcome.error().message;
  }
  std::string out = std::to_string(asked.status()) + " ";
  while (true) {
    const auto piece = co_await asked.read();
    if (!piece.ok() || piece->empty()) {
      co_return piece.ok() ? out : out + "<" + piece.error().message + ">";
    }
    out += *piece;
  }
}

std::unique_ptr<Stream> open(TestServer& server) {
  auto [near, far] = make_pipe();
  server.server().take(server.pool().strand(), std::move(far), node());
  return std::move(near);
}

std::string answer_to(TestServer& server, ClientRequest request) {
  return wait_for(server.pool(), ask(open(server), std::move(request)));
}

std::string answer_to_bytes(TestServer& server, std::string bytes) {
  const auto stream = open(server);
  return wait_for(server.pool(), send_bytes(*stream, std::move(bytes)));
}

TEST(StreamExchange, AnswersARequestAsIfItsPeerHadDialled) {
  TestServer server([](Request request, Exchange& exchange) -> Task<void> {
    auto body = request.method + " " + request.path + "?" + request.query + " " + request.body +
                " of " + request.peer.certificate_common_name;
    Headers none;
    (void)co_await exchange.respond(200, std::move(none), std::move(body));
  });

  EXPECT_EQ(answer_to(server, request_of("PUT", "/a?b=c", "text")),
            "200 PUT /a?b=c text of system:node:n1");
  const auto long_body = std::string(500'000, 'x');
  EXPECT_EQ(answer_to(server, request_of("POST", "/a", long_body)),
            "200 POST /a? " + long_body + " of system:node:n1");
  EXPECT_EQ(answer_to(server, request_of("HEAD", "/a")), "200 ");
}

TEST(StreamExchange, SendsAStreamPieceByPieceAndTellsOneThatIsCutOff) {
  TestServer server([](Request request, Exchange& exchange) -> Task<void> {
    Headers headers;
    if (request.path == "/declared") {
      headers.add("Content-Length", "6");
    }
    (void)co_await exchange.start(200, std::move(headers));
    for (const std::string_view text : {"one", "two"}) {
      Body body;
      body.pieces.push_back(text);
      (void)co_await exchange.write(std::move(body));
    }
    if (request.path != "/cut") {
      (void)co_await exchange.finish();
    }
  });

  EXPECT_EQ(answer_to(server, request_of("GET", "/whole")), "200 onetwo");
  EXPECT_EQ(answer_to(server, request_of("GET", "/declared")), "200 onetwo");
  EXPECT_THAT(answer_to(server, request_of("GET", "/cut")), StartsWith("200 onetwo<"));
}

TEST(StreamExchange, TheServerSeesToItThatThereIsAnAnswer) {
  TestServer server([](Request, Exchange&) -> Task<void> { co_return; });

  EXPECT_THAT(answer_to(server, request_of("GET", "/")), StartsWith("500 "));
}

TEST(StreamExchange, NothingCanBeUpgraded) {
  TestServer server([](Request, Exchange& exchange) -> Task<void> {
    Headers none;
    (void)co_await exchange.upgrade_raw(std::move(none));
  });

  EXPECT_THAT(answer_to(server, request_of("GET", "/")), StartsWith("400 "));
}

TEST(StreamExchange, RefusesWhatCannotBeRead) {
  ServerOptions few;
  few.body_bytes_max = 1000;
  few.body_limit = std::chrono::milliseconds(20);
  TestServer server(echo, few);

  EXPECT_THAT(answer_to_bytes(server, "HELLO\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(answer_to_bytes(server,
                              "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n" +
                                  std::string(1001, 'x')),
              StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(answer_to_bytes(server,
                              "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" +
                                  std::string(1'000'000, 'e')),
              StartsWith("HTTP/1.1 431 "));
  EXPECT_EQ(answer_to_bytes(server, "GET / HTTP/1.1\r\nHost: x"), "") << "nobody waits";

  const auto half = open(server);
  const auto said = wait_for(server.pool(), read_all(*half));
  EXPECT_THAT(said, StartsWith("HTTP/1.1 408 ")) << "it did not come in time";
}

}  // namespace
}  // namespace tetrarch::net::testing
