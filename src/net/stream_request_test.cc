// SPDX-License-Identifier: Apache-2.0
#include "net/stream_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/together.h"
#include "net/dial.h"
#include "net/harness_test.h"
#include "net/pipe.h"
#include "net/tls_stream.h"
#include "net/transport_stream.h"

namespace tetrarch::net::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ClientRequest request_of(std::string method, std::string target, std::string body = "") {
  ClientRequest request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.body = std::move(body);
  request.headers.add("Host", "somewhere");
  request.headers.add("Content-Length", "99");
  return request;
}

/// What a backend says, and what it has heard by then.
struct Backend {
  std::unique_ptr<Stream> stream;
  std::string says;
  std::string heard = {};
};

Task<void> play(Backend& backend) {
  std::string buffer(4096, '\0');
  const auto count = co_await backend.stream->read(buffer.data(), buffer.size());
  backend.heard = buffer.substr(0, count.ok() ? *count : 0);
  (void)co_await backend.stream->write(backend.says);
  (void)co_await backend.stream->shut_write();
}

struct Seen {
  Status outcome = ok();
  int status = 0;
  std::string body = {};
};

Task<void> ask(StreamRequest& request, ClientRequest what, Seen& seen) {
  const bool is_head = what.method == "HEAD";
  seen.outcome = co_await request.send(std::move(what));
  if (seen.outcome.ok()) {
    seen.outcome = co_await request.read_head(is_head);
  }
  while (seen.outcome.ok()) {
    seen.status = request.status();
    const auto piece = co_await request.read();
    seen.outcome = piece.ok() ? ok() : Status(piece.error());
    if (!piece.ok() || piece->empty()) {
      co_return;
    }
    seen.body += *piece;
  }
}

Task<Seen> exchange(Backend& backend, ClientRequest what) {
  auto [ours, theirs] = make_pipe();
  backend.stream = std::move(theirs);
  StreamRequest request(std::move(ours));
  Seen seen;
  co_await async::both(play(backend), ask(request, std::move(what), seen));
  co_return seen;
}

Seen run(Backend& backend, ClientRequest what) {
  async::IoPool pool(1);
  return wait_for(pool, exchange(backend, std::move(what)));
}

TEST(StreamRequest, SendsTheHeadAsGivenAndTheLengthOfTheBody) {
  Backend backend{nullptr, "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nhi"};

  const auto seen = run(backend, request_of("POST", "/a?b=%20", "body"));

  ASSERT_TRUE(seen.outcome.ok()) << seen.outcome.error().message;
  EXPECT_EQ(seen.status, 201);
  EXPECT_EQ(seen.body, "hi");
  EXPECT_THAT(backend.heard, ::testing::StartsWith("POST /a?b=%20 HTTP/1.1\r\nHost: somewhere"));
  EXPECT_THAT(backend.heard, HasSubstr("\r\nContent-Length: 4\r\n"));
  EXPECT_THAT(backend.heard, Not(HasSubstr("99")));
}

TEST(StreamRequest, AHeaderCannotEndItsLine) {
  Backend backend{nullptr, "HTTP/1.1 204 No Content\r\n\r\n"};
  auto request = request_of("GET", "/");
  request.headers.add("X-Name", "a\r\nX-Other: b");

  EXPECT_TRUE(run(backend, std::move(request)).outcome.ok());

  EXPECT_THAT(backend.heard, Not(HasSubstr("\r\nX-Other")));
}

Task<std::string> send_pieces(std::optional<std::uint64_t> size) {
  auto [ours, theirs] = make_pipe();
  StreamRequest request(std::move(ours));
  (void)co_await request.begin(request_of("PUT", "/"), size);
  for (const auto* piece : {"one", "", "seventeen letters"}) {
    (void)co_await request.send_piece(piece);
  }
  (void)co_await request.end();
  std::string heard(4096, '\0');
  const auto count = co_await theirs->read(heard.data(), heard.size());
  co_return heard.substr(0, count.ok() ? *count : 0);
}

TEST(StreamRequest, SendsABodyInPieces) {
  async::IoPool pool(1);

  EXPECT_THAT(wait_for(pool, send_pieces(20)),
              ::testing::EndsWith("\r\nContent-Length: 20\r\n\r\noneseventeen letters"));
  EXPECT_THAT(wait_for(pool, send_pieces(std::nullopt)),
              ::testing::EndsWith("\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "3\r\none\r\n11\r\nseventeen letters\r\n0\r\n\r\n"));
}

TEST(StreamRequest, ReadsABodyUpToTheEndOfTheStream) {
  Backend backend{nullptr, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\nall of it"};

  EXPECT_EQ(run(backend, request_of("GET", "/")).body, "all of it");
}

TEST(StreamRequest, AnAnswerThatBreaksOffIsAnError) {
  Backend backend{nullptr, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"};

  const auto seen = run(backend, request_of("GET", "/"));

  EXPECT_EQ(seen.body, "half");
  ASSERT_FALSE(seen.outcome.ok());
  EXPECT_EQ(seen.outcome.error().code, Code::unavailable);
}

TEST(StreamRequest, TheAnswerToHeadHasNoBody) {
  Backend backend{nullptr, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"};

  const auto seen = run(backend, request_of("HEAD", "/"));

  EXPECT_TRUE(seen.outcome.ok());
  EXPECT_EQ(seen.status, 200);
}

Task<std::string> upgraded(Backend& backend) {
  auto [ours, theirs] = make_pipe();
  backend.stream = std::move(theirs);
  StreamRequest request(std::move(ours));
  (void)co_await request.send(request_of("GET", "/"));
  co_await play(backend);
  (void)co_await request.read_head(false);
  const auto stream = request.take_stream();
  std::string out = std::to_string(request.status()) + " ";
  std::string buffer(4, '\0');
  while (true) {
    const auto count = co_await stream->read(buffer.data(), buffer.size());
    if (!count.ok() || *count == 0) {
      co_return out;
    }
    out += buffer.substr(0, *count);
  }
}

TEST(StreamRequest, AnUpgradedStreamBeginsBehindTheHead) {
  Backend backend{nullptr,
                  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: "
                  "Upgrade\r\n\r\nfirst words"};
  async::IoPool pool(1);

  EXPECT_EQ(wait_for(pool, upgraded(backend)), "101 first words");
}

Task<Result<std::string>> ask_over_tls(std::uint16_t port, TlsMaterial material) {
  const auto url = parse_url("https://127.0.0.1:" + std::to_string(port));
  CO_TRY(auto transport, co_await dial(*url, std::chrono::seconds(5), system_clock()));
  transport->disarm();
  CO_TRY(auto tls, TlsContext::for_client(material));
  CO_TRY(auto stream,
         co_await begin_tls(make_transport_stream(std::move(transport), ""), tls, "127.0.0.1"));
  StreamRequest request(std::move(stream));
  CO_TRY_STATUS(co_await request.send(request_of("POST", "/x", std::string(200'000, 'b'))));
  CO_TRY_STATUS(co_await request.read_head(false));
  std::string out;
  while (true) {
    CO_TRY(const auto piece, co_await request.read());
    if (piece.empty()) {
      co_return out;
    }
    out += piece;
  }
}

class BeginTls : public ::testing::Test {
 protected:
  static std::shared_ptr<TlsContext> server_tls(const TestAuthority& authority) {
    const auto issued = authority.issue("server", {}, true);
    TlsMaterial material;
    material.certificate_pem = issued.certificate_pem;
    material.key_pem = issued.key_pem;
    return *TlsContext::for_server(material);
  }

  TestAuthority authority_{"ours"};
  TestServer server_{echo, {}, server_tls(authority_)};
};

TEST_F(BeginTls, BelievesWhomTheCaHasSigned) {
  TlsMaterial material;
  material.ca_pem = authority_.pem();

  const auto answer = wait_for(server_.pool(), ask_over_tls(server_.port(), material));

  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(*answer, "POST\n/x\n\n" + std::string(200'000, 'b'));
}

TEST_F(BeginTls, RefusesAStranger) {
  TlsMaterial material;
  material.ca_pem = TestAuthority("another").pem();

  const auto answer = wait_for(server_.pool(), ask_over_tls(server_.port(), material));

  ASSERT_FALSE(answer.ok());
  EXPECT_THAT(answer.error().message, HasSubstr("certificate verify failed"));
}

TEST_F(BeginTls, BelievesAnybodyWhereThatIsAskedFor) {
  TlsMaterial material;
  material.trusts_anybody = true;

  EXPECT_TRUE(wait_for(server_.pool(), ask_over_tls(server_.port(), material)).ok());
}

}  // namespace
}  // namespace tetrarch::net::testing
