// SPDX-License-Identifier: Apache-2.0
// Bodies that a handler takes as they come: of any size, in pieces, and left unread.
#include <future>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/timer.h"
#include "async/together.h"
#include "net/harness_test.h"

namespace tetrarch::net {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using testing::RawClient;
using ::testing::StartsWith;

/// Sends every piece back as soon as it is there.
Task<void> send_back(std::string early, Exchange& exchange, BodyReader& body) {
  (void)co_await exchange.start(200, {});
  Result<std::string> piece = std::move(early);
  while (piece.ok() && !(piece->empty() && body.is_whole())) {
    Body out;
    out.pieces = {*piece};
    (void)co_await exchange.write(std::move(out));
    piece = co_await body.read_body();
  }
  (void)co_await exchange.finish();
}

Task<void> drop_all(BodyReader& body) {
  while (true) {
    const auto piece = co_await body.read_body();
    if (!piece.ok() || piece->empty()) {
      co_return;
    }
  }
}

Task<void> end(Exchange& exchange) {
  (void)co_await exchange.finish();
}

/// The answer is whole before the request is.
Task<void> answer_early(Exchange& exchange, BodyReader& body) {
  (void)co_await exchange.start(200, {});
  co_await async::first_of(drop_all(body), end(exchange));
}

Task<void> wait_until_gone(Exchange& exchange, std::promise<void>& waiting) {
  const auto gone = std::make_shared<async::Event>();
  exchange.on_client_gone([gone] { gone->raise(); });
  waiting.set_value();
  while (!exchange.is_client_gone()) {
    co_await gone->wait();
  }
}

/// Answers with how much has come, or why no more did. /refuse is answered unread, /back sends back
/// what comes, /early is answered while it is read, /wait says nothing until its client has gone,
/// /watched is answered while that is looked for.
class Counter final : public UploadHandler {
 public:
  bool takes(const Request& head) const override { return head.path != "/whole"; }

  Task<void> handle(Request request, Exchange& exchange, BodyReader& body) override {
    if (request.path == "/back") {
      co_await send_back(std::move(request.body), exchange, body);
      co_return;
    }
    if (request.path == "/early") {
      co_await answer_early(exchange, body);
      co_return;
    }
    if (request.path == "/wait") {
      co_await wait_until_gone(exchange, waiting);
      gone.set_value();
      co_return;
    }
    if (request.path == "/watched") {
      exchange.on_client_gone([] {});
    }
    std::size_t bytes = request.body.size();
    std::string outcome;
    while (request.path == "/stream") {
      const auto piece = co_await body.read_body();
      if (!piece.ok() || piece->empty()) {
        outcome = piece.ok() ? "" : " " + std::string(to_string(piece.error().code));
        break;
      }
      bytes += piece->size();
      largest = std::max(largest, piece->size());
    }
    (void)co_await exchange.respond(200, {}, std::to_string(bytes) + outcome);
  }

  std::size_t largest = 0;
  std::promise<void> waiting;
  std::promise<void> gone;
};

struct Fixture : ::testing::Test {
  Fixture() {
    port = *server.listen("127.0.0.1", 0, nullptr);
    server.run();
  }

  ~Fixture() override { server.stop_and_wait(); }

  async::IoPool pool{2};
  Counter handler;
  testing::FunctionHandler others{testing::echo};
  Server server{pool, others, {.linger_limit = std::chrono::minutes(1), .uploads = {&handler}}};
  std::uint16_t port = 0;
};

using StreamedBody = Fixture;

std::string head(std::string_view path, std::string_view more) {
  return "POST " + std::string(path) + " HTTP/1.1\r\nHost: x\r\n" + std::string(more) + "\r\n\r\n";
}

TEST_F(StreamedBody, IsTakenInPiecesWhateverItsSize) {
  RawClient client(port);

  client.send(head("/stream", "Content-Length: 10000000") + std::string(10'000'000, 'x'));

  EXPECT_THAT(client.read_response(), EndsWith("\r\n\r\n10000000"));
  EXPECT_LT(handler.largest, 200'000U);
}

TEST_F(StreamedBody, MayComeInChunksAndTheNextRequestFollows) {
  RawClient client(port);

  client.send(head("/stream", "Transfer-Encoding: chunked"));
  for (int i = 0; i < 100; ++i) {
    client.send("8000\r\n" + std::string(0x8000, 'x') + "\r\n");
  }
  client.send("0\r\n\r\n" + head("/stream", "Content-Length: 2") + "hi");

  EXPECT_THAT(client.read_response(), EndsWith("\r\n\r\n3276800"));
  EXPECT_THAT(client.read_response(), EndsWith("\r\n\r\n2"));
}

TEST_F(StreamedBody, IsAskedForByContinue) {
  RawClient client(port);

  client.send(head("/stream", "Content-Length: 2\r\nExpect: 100-continue"));
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("hi");

  EXPECT_THAT(client.read_response(), EndsWith("\r\n\r\n2"));
}

TEST_F(StreamedBody, ThatIsLeftUnreadEndsTheConnectionBehindTheAnswer) {
  RawClient client(port);

  client.send(head("/refuse", "Content-Length: 5000000") + std::string(5'000'000, 'x'));

  const auto answer = client.read_response();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_EQ(client.read_to_end(), "");
}

TEST_F(StreamedBody, ThatBreaksOffIsAnError) {
  RawClient client(port);

  client.send(head("/stream", "Content-Length: 10") + "half");
  client.shut_write();

  EXPECT_THAT(client.read_response(), EndsWith("\r\n\r\n4 unavailable"));
}

TEST_F(StreamedBody, ThatIsNoChunkIsAnError) {
  RawClient client(port);

  client.send(head("/stream", "Transfer-Encoding: chunked\r\nExpect: 100-continue"));
  client.read_until("\r\n\r\n");
  client.send("zz\r\n");

  EXPECT_THAT(client.read_response(), EndsWith("\r\n\r\n0 malformed"));
}

TEST_F(StreamedBody, MayGoOnWhileItIsAnswered) {
  RawClient client(port);

  client.send(head("/back", "Transfer-Encoding: chunked"));
  for (const auto* word : {"one", "two", "six"}) {
    client.send("3\r\n" + std::string(word) + "\r\n");
    EXPECT_THAT(client.read_until(word), EndsWith(word));
  }
  client.send("0\r\n\r\n");

  EXPECT_EQ(client.read_to_end(), "\r\n0\r\n\r\n");
}

TEST_F(StreamedBody, ThatBreaksOffBehindTheBeginningOfAnAnswerEndsIt) {
  RawClient client(port);

  client.send(head("/back", "Transfer-Encoding: chunked") + "3\r\none\r\n");
  client.read_until("one");
  client.shut_write();

  EXPECT_EQ(client.read_to_end(), "\r\n") << "no end of the answer";
}

TEST_F(StreamedBody, ThatIsAnsweredEarlyMayStillBeSent) {
  RawClient client(port);

  client.send(head("/early", "Content-Length: 10000000") + "some");

  EXPECT_THAT(client.read_to_end(), EndsWith("\r\n\r\n0\r\n\r\n"));
  EXPECT_TRUE(client.send(std::string(8'000'000, 'x'))) << "no reset destroys the answer";
}

TEST_F(StreamedBody, AClientThatLeavesBeforeItsAnswerIsNoticed) {
  RawClient client(port);

  client.send(head("/wait", "Content-Length: 2") + "hi");
  handler.waiting.get_future().wait();
  client.close();

  handler.gone.get_future().wait();
}

TEST_F(StreamedBody, AClientThatIsWatchedMayAskAgain) {
  RawClient client(port);
  const auto asked = head("/watched", "Content-Length: 2") + "hi";

  for (int i = 0; i < 3; ++i) {
    client.send(asked);
    EXPECT_THAT(client.read_response(), EndsWith("\r\n\r\n2"));
  }
  client.send(asked + asked);

  EXPECT_THAT(client.read_response(), EndsWith("\r\n\r\n2"));
  EXPECT_THAT(client.read_response(), EndsWith("\r\n\r\n2"));
}

TEST_F(StreamedBody, IsNotWhatOtherPathsGet) {
  RawClient client(port);

  client.send(head("/whole", "Content-Length: 2") + "hi" + head("/stream", "Content-Length: 2") +
              "hi");
  EXPECT_THAT(client.read_response(), EndsWith("POST\n/whole\n\nhi"));
  EXPECT_THAT(client.read_response(), EndsWith("\r\n\r\n2"));
  client.send(head("/whole", "Content-Length: 4000000"));

  EXPECT_THAT(client.read_response(), StartsWith("HTTP/1.1 413 "));
}

}  // namespace
}  // namespace tetrarch::net
